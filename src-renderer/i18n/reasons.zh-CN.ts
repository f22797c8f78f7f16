import type { ReasonCode } from '../../src-main/protocol/reasons.ts';

/** Every reason in Chinese, with the same `{names}` as in English. */
export const zhReasons = {
  'os.gone': '文件已不存在',
  'os.no-folder': '所在文件夹不存在',
  'os.denied': '没有权限',
  'os.read-only': '磁盘是只读的',
  'os.in-the-way': '同名文件已存在',
  'os.folder': '是文件夹',
  'os.no-folder-but-file': '是文件',
  'os.missing': '不存在',
  'os.loop': '是指向自身的链接',
  'os.disk-error': '磁盘报告错误',
  'os.long-name': '名称过长',
  'os.disk-full': '磁盘已满',
  'os.too-many-files': '打开的文件过多',
  'os.busy': '正被占用',
  'os.no-network': '网络没有响应',
  'os.refused': '对方拒绝连接',
  'os.no-host': '找不到该主机名',
  'os.reset': '连接已中断',
  'os.silent': '磁盘在 {seconds} 秒内没有响应',
  'raw.text': '{text}',

  'file.not-file': '不是文件',
  'file.over-1-gib': '文件大于 1 GiB',
  'file.empty': '文件为空',
  'file.not-json': '不是 JSON',
  'file.too-large': '文件过大',
  'file.shorter': '文件变短了',
} satisfies Record<ReasonCode, string>;
