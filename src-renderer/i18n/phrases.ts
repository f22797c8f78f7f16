/**
 * Fragments that the service puts into its errors, such as the reason of a failure: fixed English, so that they can
 * be told in Chinese too. What is not listed, the words of the system for example, stays as it is.
 */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/^a whole number from (\S+) to (\S+)$/, '$1 到 $2 之间的整数'],
  [/^a number from (\S+) to (\S+)$/, '$1 到 $2 之间的数'],
  [/^true or false$/, 'true 或 false'],
  [/^one of (.+)$/, '以下之一：$1'],
  [/^text$/, '文本'],
  [/^a multiple of (\S+) for (\S+)$/, '$1 的倍数（$2）'],
  [/^a model of the list$/, '列表中的模型'],
  [/^a path from the root$/, '绝对路径'],
  [/^auto, cpu or (.+)$/, 'auto、cpu 或 $1'],
  [/^(\S+) does not load \((.+)\)$/, '$1 无法载入（$2）'],
  [/^no CUDA device is found$/, '没有 CUDA 设备'],
  [/^driver and library have different versions; restart the machine$/, '驱动与库的版本不同，请重启机器'],
  [/^it shows no GPU$/, '它没有列出 GPU'],
  [/^it was never tried$/, '从未试用过'],
  [/^it found (\d+) GPUs when it was last tried$/, '上次试用时发现 $1 个 GPU'],
  [/^empty, or text such as (\S+) \(or (.+)\)$/, '留空，或如 $1 的文字（或 $2）'],
  [/^empty, or two shares such as (.+)$/, '留空，或两个比例，如 $1'],
  [/^0 with binary cross-entropy$/, '0（用二元交叉熵时）'],
  [/^off for plateau$/, '关闭（plateau 按轮调整）'],
  [/^off for a network without attention$/, '关闭（该网络没有注意力）'],
  [/^on for distillation$/, '开启（蒸馏时）'],
  [
    /^one share from 0 to 1, or two of which the second is greater, like (.+)$/,
    '0 到 1 的一个比例，或后者较大的两个比例，如 $1',
  ],
  [/^off where an epoch has less than a batch of pictures$/, '关闭（一轮的图片不足一批）'],
  [/^a class of the data$/, '数据中的类别'],
  [/^the disk did not answer within (\S+) s$/, '磁盘在 $1 秒内没有响应'],
  [/^it is not a file$/, '不是文件'],
  [/^the file is larger than 1 GiB$/, '文件大于 1 GiB'],
  [/^the file is gone$/, '文件已不存在'],
  [/^permission denied$/, '没有权限'],
  [/^it is a link that leads to itself$/, '是指向自身的链接'],
  [/^it is a folder$/, '是文件夹'],
  [/^the disk reports an error$/, '磁盘报告错误'],
  [/^its name is too long$/, '名称过长'],
  [/^the file is empty$/, '文件为空'],
  [/^it is not a picture, or its header is damaged$/, '不是图片，或文件头已损坏'],
  [/^TIFF is not supported; convert it to PNG$/, '不支持 TIFF，请转换为 PNG'],
  [/^(\d+ × \d+) pixels are too many; scale it down$/, '$1 像素过多，请缩小'],
  [/^the same as (.+), of the class (.+)$/s, '与 $1 相同（类别 $2）'],
  [/^the same as (.+)$/s, '与 $1 相同'],
  [/^the archive ends early$/, '归档文件不完整'],
  [/^the archive is damaged$/, '归档文件已损坏'],
  [/^the file ends before the picture does$/, '文件在图片结束前中断'],
  [/^it is gone$/, '进程已不存在'],
  [/^killed by (\S+); if nobody did that, the system ran out of memory$/, '被 $1 终止；若无人为之，则是系统内存不足'],
  [/^killed by (\S+)(: .*)?$/, '被 $1 终止$2'],
  [/^exit code (\S+)(: .*)?$/, '退出代码 $1$2'],
  [/^it has become shorter$/, '文件变短了'],
  [/^it holds no moving average of the model$/, '其中没有模型的滑动平均'],
  [/^it has no layer that tells classes apart$/, '其中没有区分类别的层'],
];

/** `text` in the window's language where it is a known phrase. */
export function translatePhrase(text: string, locale: string): string {
  if (locale !== 'zh-CN') return text;
  const known = PHRASES.find(([pattern]) => pattern.test(text));
  return known ? text.replace(known[0], known[1]) : text;
}
