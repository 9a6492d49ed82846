/**
 * Reads a delivery status notification (RFC 3464 in the multipart/report of RFC 6522) for tests.
 */
import { parsed, values } from './stage.js';

export interface Report {
  readonly contentType: string;
  readonly text: string;
  /** Fields about the message, by name in lower case. */
  readonly message: ReadonlyMap<string, string>;
  /** Fields about each recipient. */
  readonly recipients: readonly ReadonlyMap<string, string>[];
  /** Media type and content of the returned part. */
  readonly returnedType: string;
  readonly returned: string;
}

function fieldsOf(block: string): Map<string, string> {
  const { header } = parsed(Buffer.from(`${block}\r\n\r\n`, 'latin1'));
  return new Map(header.map(({ name, value }) => [name.toLowerCase(), value]));
}

/** Throws where it is no such report. */
export function parseReport(content: Buffer): Report {
  const contentType = values(content, 'Content-Type')[0] ?? '';
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1];
  if (!/^multipart\/report\b/i.test(contentType) || boundary === undefined)
    throw new Error(`no multipart/report: ${contentType}`);
  const { body } = parsed(content);
  const pieces = body.split(
    new RegExp(`(?:^|\\r\\n)--${boundary.replace(/[^\w]/g, '\\$&')}(?:--)?[ \\t]*(?:\\r\\n|$)`),
  );
  const [text, status, returned] = pieces.slice(1, -1).map((piece) => {
    const end = piece.indexOf('\r\n\r\n');
    const type = values(Buffer.from(`${piece.slice(0, end)}\r\n\r\n`, 'latin1'), 'Content-Type')[0] ?? '';
    return { type, content: piece.slice(end + 4) };
  });
  if (pieces.length !== 5 || text === undefined || status === undefined || returned === undefined)
    throw new Error(`${pieces.length - 2} parts instead of three: ${body}`);
  if (!/^message\/(global-)?delivery-status\b/i.test(status.type)) throw new Error(`second part is ${status.type}`);
  const [message = '', ...recipients] = status.content.split('\r\n\r\n').filter((block) => block.trim() !== '');
  return {
    contentType,
    text: text.content,
    message: fieldsOf(message),
    recipients: recipients.map(fieldsOf),
    returnedType: returned.type,
    returned: returned.content,
  };
}
