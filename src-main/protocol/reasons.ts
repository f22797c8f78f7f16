/**
 * Every reason that an error, a finding or a skipped file can give, by code. It stands in an error's parameters as
 * `{ code, params }`: the command line and logs say it in the English of this table, the window in its own language
 * (`src-renderer/i18n/reasons.*.ts`). A reason may hold another one as a parameter.
 *
 * To add one: 1. a line in REASONS, 2. the same code in `src-renderer/i18n/reasons.zh-CN.ts`. Begin it lower-case and
 * end it without a full stop: it stands within a sentence.
 */
export const REASONS = {
  // What the operating system says, by its error number.
  'os.gone': 'the file is gone',
  'os.no-folder': 'its folder does not exist',
  'os.denied': 'permission denied',
  'os.read-only': 'the disk is read-only',
  'os.in-the-way': 'a file is in its way',
  'os.folder': 'it is a folder',
  'os.no-folder-but-file': 'it is a file',
  'os.missing': 'it does not exist',
  'os.loop': 'it is a link that leads to itself',
  'os.disk-error': 'the disk reports an error',
  'os.long-name': 'its name is too long',
  'os.disk-full': 'the disk is full',
  'os.too-many-files': 'too many files are open',
  'os.busy': 'it is in use',
  'os.no-network': 'the network does not answer',
  'os.refused': 'the other side refuses the connection',
  'os.no-host': 'the name of the host is not known',
  'os.reset': 'the connection was cut',
  'os.silent': 'the disk did not answer within {seconds} s',
  /** The words of the system or of a library, for which there is no code. */
  'raw.text': '{text}',

  // Files in general.
  'file.not-file': 'it is not a file',
  'file.over-1-gib': 'the file is larger than 1 GiB',
  'file.empty': 'the file is empty',
  'file.not-json': 'it is not JSON',
  'file.too-large': 'it is too large',
  'file.shorter': 'it has become shorter',

  // Files from a server.
  'fetch.stopped': 'the server stopped sending',
  'fetch.no-host': 'the name of the server is not known here (is there a network?)',
  'fetch.refused': 'the server refused the connection',
  'fetch.certificate': 'its certificate is not trusted ({code}; see SSL_CERT_FILE)',
  'fetch.broke': 'the connection broke ({code})',
  'fetch.ended': 'the connection ended after {done} of {total} bytes',
  'fetch.no-range': 'the server could not go on from where the file broke off',
  'fetch.too-many-bytes': 'the server sent more than the {most} bytes that were expected',
  'fetch.no-location': 'the server answered {status} without saying where to go',
  'fetch.unsafe-redirect': 'the server sends on to {address}, which is neither https nor on this machine',
  'fetch.redirects': 'the server sent on more than {most} times',
  'fetch.not-found': 'there is no such file (the server answered {status})',
  'fetch.denied': 'the server refuses it ({status}): it may need a token, HF_TOKEN for the hub',
  'fetch.busy': 'the server is busy or broken ({status})',
  'fetch.status': 'the server answered {status}',
  'fetch.web-page': 'the server sent a web page in place of the file (a login, or a wrong address)',

  // Images that are not read (`src-main/data/decode`, docs/images.md).
  'image.none': 'it is not an image, or its header is damaged',
  'image.other-sort': 'it is {sort}, which is not read; convert it to PNG or JPEG',
  'image.too-large': '{width} × {height} pixels are too many; scale it down',
  'image.ends-early': 'the file ends before the image does',
  'image.bad-header': 'the {format} header is damaged',
  'image.bad-codes': 'the {format} is damaged: a code stands for nothing',
  'image.colour-beyond': 'the file is damaged: a pixel has colour {index} of a palette of {count}',
  'image.sample-beyond': 'the file is damaged: a sample is {sample}, above the stated maximum {maximum}',
  'image.size-differs': 'its header says {width} × {height} pixels, its data {dataWidth} × {dataHeight}; save it again',
  'image.jpeg-deep': 'it is a JPEG of {bits} bits, and only those of 8 are read; convert it to PNG',
  'image.jpeg-lossless': 'it is a lossless or hierarchical JPEG, which is not read; convert it to PNG',
  'image.jpeg-channels': 'it is a JPEG of {count} channels, which is not read; convert it to PNG',
  'image.bmp-other': 'it is a BMP of {bits} bits and compression {compression}, which is not read; convert it to PNG',
  'image.bmp-inside': 'it is a {format} inside a BMP, which is not read; convert it to PNG',
  'image.decoder': 'the {format} cannot be decoded ({words}); get it again, or save it anew as PNG',
} as const satisfies Record<string, string>;

export type ReasonCode = keyof typeof REASONS;
export type ReasonValue = string | number | Reason;

/** Why something is as it is, as plain data. Its code may be one of another version, which is not known here. */
export interface Reason {
  code: ReasonCode;
  params: Record<string, ReasonValue>;
}

type Names<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;
type ParamsOf<Code extends ReasonCode> =
  Names<(typeof REASONS)[Code]> extends never ? [] : [params: Record<Names<(typeof REASONS)[Code]>, ReasonValue>];

/** A reason with all parameters of its text: `reason('os.silent', { seconds: 30 })`. */
export function reason<Code extends ReasonCode>(code: Code, ...[params]: ParamsOf<Code>): Reason {
  return { code, params: params ?? {} };
}

/** Whether a parameter is a reason. */
export function isReason(value: unknown): value is Reason {
  return typeof value === 'object' && value !== null && 'code' in value && 'params' in value;
}

/**
 * A reason in the words of `table`. Files of earlier versions hold reasons as text, which is returned as it is; of a
 * reason that a later version wrote, its code and parameters are.
 */
export function reasonText(value: ReasonValue, table: Record<ReasonCode, string>): string {
  if (!isReason(value)) return String(value);
  const say = (inner: ReasonValue): string => reasonText(inner, table);
  if (!Object.prototype.hasOwnProperty.call(table, value.code))
    return [value.code, ...Object.values(value.params).map(say)].join(' ');
  return fillWith(table[value.code], value.params, say);
}

/** A reason in English. */
export function sayReason(value: ReasonValue): string {
  return reasonText(value, REASONS);
}

/** Fills the `{names}` of a template. A name without a value stays as it is. */
export function fillWith(
  template: string,
  params: Record<string, ReasonValue>,
  say: (value: ReasonValue) => string,
): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = params[name] as ReasonValue | undefined;
    return value === undefined ? whole : say(value);
  });
}

/** Something that cannot be used, thrown where no path is known; who knows the path gives the reason on. */
export class ReasonError extends Error {
  constructor(
    readonly reason: Reason,
    options?: { cause?: unknown },
  ) {
    super(sayReason(reason), options);
    this.name = 'ReasonError';
  }
}

const OF_SYSTEM: Record<string, ReasonCode & `os.${string}`> = {
  ENOENT: 'os.gone',
  ENOTDIR: 'os.gone',
  EACCES: 'os.denied',
  EPERM: 'os.denied',
  EROFS: 'os.read-only',
  EEXIST: 'os.in-the-way',
  EISDIR: 'os.folder',
  ELOOP: 'os.loop',
  EIO: 'os.disk-error',
  ENAMETOOLONG: 'os.long-name',
  ENOSPC: 'os.disk-full',
  EDQUOT: 'os.disk-full',
  EMFILE: 'os.too-many-files',
  ENFILE: 'os.too-many-files',
  EBUSY: 'os.busy',
  ETIMEDOUT: 'os.no-network',
  ENETUNREACH: 'os.no-network',
  ECONNREFUSED: 'os.refused',
  ENOTFOUND: 'os.no-host',
  ECONNRESET: 'os.reset',
};

/**
 * The reason in a thrown value: its own one, that of its error number, or its text. `meaning` overrules what an error
 * number is taken for, such as ENOENT where a folder was read.
 */
export function reasonIn(error: unknown, meaning: Record<string, ReasonCode & `os.${string}`> = {}): Reason {
  if (error instanceof ReasonError) return error.reason;
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  const known = typeof code === 'string' ? (meaning[code] ?? OF_SYSTEM[code]) : undefined;
  // os.silent is thrown as a ReasonError; an error number leads to reasons without parameters alone.
  if (known) return { code: known, params: {} };
  return reason('raw.text', { text: typeof message === 'string' ? message : String(error) });
}
