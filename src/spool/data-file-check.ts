/**
 * Reads an LMDB data file with plain reads and says what is wrong with it.
 *
 * LMDB maps the file and trusts it: a page that is missing or garbled ends the process with a signal that nothing can
 * catch. This walk follows every tree from the newest meta page, reading branch and leaf pages only (not the content of
 * messages), and proves that each page is there and is what it says, that no page is used twice, and that no page in the
 * free list is in use. Layout: lmdb-js's mdb.c, data version 2 (MDB_meta, MDB_page_header, MDB_node, MDB_ovpage).
 *
 * Limits: little-endian machines; the bodies of messages have checksums of their own and are not read here.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const PAGE_HEADER = 24;
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;

const P_BRANCH = 0x01;
const P_LEAF = 0x02;
const P_META = 0x08;
const PAGE_KINDS = 0x0f;

const F_BIGDATA = 0x01;
const F_SUBDATA = 0x02;

/** Bytes of MDB_node before the key, and of MDB_db. */
const NODE_HEADER = 8;
const TREE_BYTES = 48;
/** An empty tree's root (P_INVALID). */
const NO_PAGE = 0xffff_ffff_ffff_ffffn;
const DEEPEST = 32;

export interface DataFileReport {
  /** Pages the newest transaction knows. */
  readonly pages: number;
  readonly usedPages: number;
  readonly freePages: number;
}

/** What is wrong with a data file; `message` names the place. */
export class DataFileDamage extends Error {
  override readonly name = 'DataFileDamage';
}

/** Walks the whole file. @throws DataFileDamage, and what the file system throws */
export function checkDataFile(path: string): DataFileReport {
  const fd = openSync(path, 'r');
  try {
    return new DataFileWalk(fd, undefined, undefined).run();
  } finally {
    closeSync(fd);
  }
}

/** A small row: `page` is used again after the call, `[keyAt, dataAt)` is the key and `[dataAt, dataEnd)` the value. */
export type RowVisitor = (page: Buffer, keyAt: number, dataAt: number, dataEnd: number) => void;

/**
 * Calls `visit` for every row of one table, in the order of its keys, with plain reads: reading a table through LMDB's
 * map would leave its pages, and up to fifteen neighbours of each, in the resident memory of the process for good.
 * Only for a file that nobody writes. @throws DataFileDamage, and what the file system throws
 */
export function readTableRows(path: string, table: string, visit: RowVisitor): void {
  const fd = openSync(path, 'r');
  try {
    new DataFileWalk(fd, table, visit).run();
  } finally {
    closeSync(fd);
  }
}

interface Meta {
  readonly free: Tree;
  readonly main: Tree;
  readonly lastPage: number;
  readonly transaction: bigint;
}

interface Tree {
  readonly root: bigint;
  readonly depth: number;
}

class DataFileWalk {
  private readonly fd: number;
  private readonly fileBytes: number;
  private pageBytes = 4096;
  private lastPage = 0;
  private used = new Uint8Array(0);
  private usedPages = 0;
  private freePages = 0;
  /** A page for each level of a tree, so that a walk allocates nothing. */
  private readonly levels: Buffer[] = [];
  private readonly freeLists: Buffer[] = [];

  private readonly only: string | undefined;
  private readonly visit: RowVisitor | undefined;

  /** `only`: the table that is walked, all of them when undefined. */
  constructor(fd: number, only: string | undefined, visit: RowVisitor | undefined) {
    this.fd = fd;
    this.only = only;
    this.visit = visit;
    this.fileBytes = fstatSync(fd).size;
  }

  run(): DataFileReport {
    const first = this.readMeta(0, 0);
    const second = this.readMeta(1, this.pageBytes);
    const meta = second.transaction > first.transaction ? second : first;
    this.lastPage = meta.lastPage;
    this.used = new Uint8Array((this.lastPage + 8) >> 3);
    this.markUsed(0, 2, 'the meta pages');
    if (this.only === undefined) this.walkTree(meta.free, 'free list', true);
    this.walkTree(meta.main, 'main', false);
    for (const list of this.freeLists) this.checkFreeList(list);
    return { pages: this.lastPage + 1, usedPages: this.usedPages, freePages: this.freePages };
  }

  private readMeta(page: number, offset: number): Meta {
    const bytes = Buffer.alloc(4096);
    if (this.readAt(bytes, offset) < PAGE_HEADER + 160)
      throw new DataFileDamage(`it is ${this.fileBytes} bytes long, too short for its meta page ${page}`);
    const magic = bytes.readUInt32LE(PAGE_HEADER);
    const version = bytes.readUInt32LE(PAGE_HEADER + 4) & 0xffff;
    if ((bytes.readUInt16LE(18) & P_META) === 0 || magic !== MAGIC)
      throw new DataFileDamage(`meta page ${page} is not one of LMDB`);
    if (version !== DATA_VERSION) throw new DataFileDamage(`it has LMDB data version ${version}, not ${DATA_VERSION}`);
    const trees = PAGE_HEADER + 24;
    const pageBytes = bytes.readUInt32LE(trees);
    if (pageBytes < 512 || pageBytes > 65536 || (pageBytes & (pageBytes - 1)) !== 0)
      throw new DataFileDamage(`meta page ${page} names a page size of ${pageBytes} bytes`);
    this.pageBytes = pageBytes;
    const lastPage = bytes.readBigUInt64LE(trees + 2 * TREE_BYTES);
    if (lastPage < 1n || lastPage > 0xffff_ffffn) throw new DataFileDamage(`meta page ${page} names ${lastPage} pages`);
    return {
      free: readTree(bytes, trees),
      main: readTree(bytes, trees + TREE_BYTES),
      lastPage: Number(lastPage),
      transaction: bytes.readBigUInt64LE(trees + 2 * TREE_BYTES + 8),
    };
  }

  private walkTree(tree: Tree, name: string, isFreeList: boolean): void {
    if (tree.root === NO_PAGE) return;
    if (tree.depth < 1 || tree.depth > DEEPEST)
      throw new DataFileDamage(`the ${name} tree is ${tree.depth} levels deep`);
    this.walkPage(tree.root, tree.depth, 0, name, isFreeList);
  }

  private walkPage(number: bigint, depth: number, level: number, name: string, isFreeList: boolean): void {
    const where = `page ${number} of the ${name} tree`;
    this.markUsed(number, 1, where);
    const page = this.level(level);
    if (this.readAt(page, Number(number) * this.pageBytes) !== this.pageBytes)
      throw new DataFileDamage(`it is cut short: ${where} is behind its end at ${this.fileBytes} bytes`);
    const kind = page.readUInt16LE(18) & PAGE_KINDS;
    const count = page.readUInt16LE(20) >> 1;
    const upper = page.readUInt16LE(22);
    if (
      page.readBigUInt64LE(0) !== number ||
      kind !== (depth === 1 ? P_LEAF : P_BRANCH) ||
      count < 1 ||
      2 * count > upper ||
      PAGE_HEADER + upper > this.pageBytes
    )
      throw new DataFileDamage(`${where} is garbled`);
    for (let n = 0; n < count; n++) {
      const at = PAGE_HEADER + page.readUInt16LE(PAGE_HEADER + 2 * n);
      const keyAt = at + NODE_HEADER;
      if (keyAt > this.pageBytes) throw new DataFileDamage(`entry ${n} of ${where} is garbled`);
      const low = page.readUInt32LE(at);
      const flags = page.readUInt16LE(at + 4);
      const dataAt = keyAt + page.readUInt16LE(at + 6);
      if (kind === P_BRANCH) {
        if (dataAt > this.pageBytes) throw new DataFileDamage(`entry ${n} of ${where} is garbled`);
        this.walkPage(BigInt(low) | (BigInt(flags) << 32n), depth - 1, level + 1, name, isFreeList);
      } else this.checkEntry(page, n, dataAt, low, flags, where, name, isFreeList);
    }
  }

  private checkEntry(
    page: Buffer,
    n: number,
    dataAt: number,
    size: number,
    flags: number,
    where: string,
    name: string,
    isFreeList: boolean,
  ): void {
    const big = (flags & F_BIGDATA) !== 0;
    if ((flags & ~(F_BIGDATA | F_SUBDATA)) !== 0 || dataAt + (big ? 24 : size) > this.pageBytes)
      throw new DataFileDamage(`entry ${n} of ${where} is garbled`);
    if (big) {
      const run = page.readBigUInt64LE(dataAt);
      const pages = page.readBigUInt64LE(dataAt + 16);
      const needed = Math.floor((PAGE_HEADER - 1 + size) / this.pageBytes) + 1;
      if (pages !== BigInt(needed)) throw new DataFileDamage(`entry ${n} of ${where} names ${pages} pages`);
      this.markUsed(run, needed, `the value of entry ${n} of ${where}`);
      const end = Number(run) * this.pageBytes + PAGE_HEADER + size;
      if (end > this.fileBytes)
        throw new DataFileDamage(
          `it is cut short: a value of the ${name} tree ends at ${end}, the file at ${this.fileBytes} bytes`,
        );
      if (isFreeList) {
        const list = Buffer.allocUnsafe(size);
        this.readAt(list, Number(run) * this.pageBytes + PAGE_HEADER);
        this.freeLists.push(list);
      }
    } else if (isFreeList) this.freeLists.push(Buffer.from(page.subarray(dataAt, dataAt + size)));
    else if ((flags & F_SUBDATA) !== 0) {
      if (size !== TREE_BYTES || name !== 'main') throw new DataFileDamage(`entry ${n} of ${where} is garbled`);
      const keyAt = dataAt - page.readUInt16LE(PAGE_HEADER + page.readUInt16LE(PAGE_HEADER + 2 * n) + 6);
      const table = page.toString('latin1', keyAt, dataAt).replace(/[^a-z]/g, '');
      // The levels of the main tree are in use: a table takes buffers of its own below them.
      const tree = readTree(page, dataAt);
      if (tree.root !== NO_PAGE && (this.only ?? table) === table) this.walkTable(tree, table);
    } else if (name === this.only)
      this.visit?.(
        page,
        dataAt - page.readUInt16LE(PAGE_HEADER + page.readUInt16LE(PAGE_HEADER + 2 * n) + 6),
        dataAt,
        dataAt + size,
      );
  }

  private walkTable(tree: Tree, name: string): void {
    if (tree.depth < 1 || tree.depth > DEEPEST)
      throw new DataFileDamage(`the ${name} tree is ${tree.depth} levels deep`);
    this.walkPage(tree.root, tree.depth, DEEPEST, name, false);
  }

  /** A free list: u64 length, then page numbers; a negative number is a run of that many pages from the next on. */
  private checkFreeList(list: Buffer): void {
    const length = list.length >= 8 ? Number(list.readBigInt64LE(0)) : -1;
    if (length < 0 || 8 * (length + 1) > list.length) throw new DataFileDamage('the free list is garbled');
    for (let n = 1; n <= length; n++) {
      const entry = list.readBigInt64LE(8 * n);
      if (entry === 0n) continue;
      if (entry > 0n) this.checkFree(entry, 1n);
      else if (++n <= length) this.checkFree(list.readBigInt64LE(8 * n), -entry);
    }
  }

  private checkFree(first: bigint, count: bigint): void {
    if (first === 0n) return;
    if (first < 2n || count > BigInt(this.lastPage) || first + count > BigInt(this.lastPage) + 1n)
      throw new DataFileDamage(`the free list names pages ${first} to ${first + count - 1n} of ${this.lastPage + 1}`);
    for (let page = Number(first), end = page + Number(count); page < end; page++)
      if ((this.used[page >> 3]! & (1 << (page & 7))) !== 0)
        throw new DataFileDamage(`the free list names page ${page}, which is in use`);
    this.freePages += Number(count);
  }

  private markUsed(first: bigint | number, count: number, where: string): void {
    if (BigInt(first) + BigInt(count) > BigInt(this.lastPage) + 1n)
      throw new DataFileDamage(`${where} is behind the last page, ${this.lastPage}`);
    for (let page = Number(first), end = page + count; page < end; page++) {
      const bit = 1 << (page & 7);
      if ((this.used[page >> 3]! & bit) !== 0)
        throw new DataFileDamage(`${where} uses page ${page}, which is used twice`);
      this.used[page >> 3]! |= bit;
    }
    this.usedPages += count;
  }

  private level(n: number): Buffer {
    let page = this.levels[n];
    if (page === undefined || page.length !== this.pageBytes) {
      page = Buffer.alloc(this.pageBytes);
      this.levels[n] = page;
    }
    return page;
  }

  private readAt(target: Buffer, offset: number): number {
    let read = 0;
    while (read < target.length) {
      const n = readSync(this.fd, target, read, target.length - read, offset + read);
      if (n === 0) break;
      read += n;
    }
    return read;
  }
}

function readTree(bytes: Buffer, at: number): Tree {
  return { depth: bytes.readUInt16LE(at + 6), root: bytes.readBigUInt64LE(at + 40) };
}
