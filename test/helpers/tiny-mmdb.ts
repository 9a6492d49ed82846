/**
 * A database in MaxMind's format (version 2.0 of its specification) of one node: addresses that begin with a 0 bit are at
 * one place, of the others nothing is known. Types 2 text, 3 double, 5 uint16, 6 uint32, 7 map, 9 uint64, 11 array.
 */

function control(type: number, size: number): Buffer {
  return type < 8 ? Buffer.from([(type << 5) | size]) : Buffer.from([size, type - 7]);
}

function text(value: string): Buffer {
  return Buffer.concat([control(2, value.length), Buffer.from(value)]);
}

function number(type: number, value: number, bytes: number): Buffer {
  const digits = Buffer.alloc(bytes);
  digits.writeUIntBE(value, 0, bytes);
  return Buffer.concat([control(type, bytes), digits]);
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return Buffer.concat([control(3, 8), bytes]);
}

function map(entries: Record<string, Buffer>): Buffer {
  const parts = Object.entries(entries).flatMap(([key, value]) => [text(key), value]);
  return Buffer.concat([control(7, Object.keys(entries).length), ...parts]);
}

export function tinyMmdb(latitude: number, longitude: number): Buffer {
  const nodes = 1;
  const tree = Buffer.alloc(6);
  // The first record after the tree and its separator of 16 bytes; the node count itself: nothing there.
  tree.writeUIntBE(nodes + 16, 0, 3);
  tree.writeUIntBE(nodes, 3, 3);
  const data = map({ location: map({ latitude: double(latitude), longitude: double(longitude) }) });
  const metadata = map({
    binary_format_major_version: number(5, 2, 2),
    binary_format_minor_version: number(5, 0, 2),
    build_epoch: number(9, 1_700_000_000, 4),
    database_type: text('Test-City'),
    description: map({ en: text('test') }),
    ip_version: number(5, 4, 2),
    languages: Buffer.concat([control(11, 1), text('en')]),
    node_count: number(6, nodes, 4),
    record_size: number(5, 24, 2),
  });
  const marker = Buffer.concat([Buffer.from([0xab, 0xcd, 0xef]), Buffer.from('MaxMind.com')]);
  return Buffer.concat([tree, Buffer.alloc(16), data, marker, metadata]);
}
