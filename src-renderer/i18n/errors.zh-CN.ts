import type { ErrorCode, ErrorWords } from '../../src-main/protocol/errors.ts';
import { exportEndings } from '../../src-main/protocol/export-formats.ts';

/** Every error code in Chinese, with the same `{names}` as in English. */
export const zhErrors: Record<ErrorCode, ErrorWords> = {
  'recipe.syntax': { says: '这不是配方：{reason}。', advice: '配方是 YAML 或 JSON，例如 epochs: 300。' },
  'recipe.file': { says: '{path} 不是配方：{problems}。', advice: '请更正这些行。' },
  'recipe.warmup-long': {
    says: '共 {epochs} 轮，预热就占 {warmup} 轮：学习率永远升不到应有的值。',
    advice: '请缩短预热，或训练更多轮。',
  },
  'recipe.rate-high': {
    says: '实际学习率为 {rate}，是论文的 {times} 倍：用 AdamW 时损失可能变为非数。',
    advice: '请降低学习率；若未关闭缩放，它会乘以批大小 / 512。',
  },
  'recipe.average-slow': {
    says: '权重平均会回看 {memory} 步，而整个训练只有 {steps} 步：其中仍含随机初值。',
    advice: '请开启平均预热，或调低其衰减。',
  },
  'recipe.attention-only': {
    says: '只训练注意力，却从随机权重开始：其余各层将一直是随机的。',
    advice: '请指定起始权重，或关闭此项。',
  },
  'recipe.same-submodels': {
    says: '启用了子模型协同训练，但没有丢弃任何部分：同一图片的两个输出完全相同。',
    advice: '在训练模式下将随机深度设为大于 0，或关闭该项。',
  },
  'recipe.unused': {
    says: '已更改，但在其他设置下不起作用：{flags}。',
    advice: '请重置这些设置，或开启它们所属的功能。',
  },
  'argument.invalid': { says: '{name}：应为{expected}，而不是 {got}。', advice: '请更正该值后重试。' },
  'argument.unknown': { says: '无法识别 {name}。', advice: '{hint}' },
  'data.no-folder': {
    says: '{path} 处没有文件夹。',
    advice: '请选择包含 train/<类别>/ 与 val/<类别>/ 的文件夹，或每个类别一个文件夹。',
  },
  'data.no-classes': {
    says: '{path} 中没有含图片的类别文件夹。',
    advice: '请把每个类别的图片放入各自的文件夹：train/<类别>/image.jpg。',
  },
  'data.no-images': { says: '{path} 中没有图片。', advice: '请指定图片文件，或含有图片的文件夹。' },
  'data.empty-class': { says: '类别文件夹 {path} 中没有图片。', advice: '请添加图片或删除该文件夹。' },
  'data.unreadable': { says: '无法读取 {path}：{reason}。', advice: '该图片不参与训练，其余照常使用。' },
  'data.class-mismatch': {
    says: 'train 与 val 的类别不同：{difference}。',
    advice: '请让两个划分含有相同的类别文件夹。',
  },
  'data.one-class': { says: '只有一个类别 {name}：没有可区分的内容。', advice: '请添加另一个类别的图片文件夹。' },
  'data.case-twins': {
    says: '有类别名称仅大小写不同：{classes}。它们被视为不同的类别。',
    advice: '在 Windows 和 macOS 上它们会是同一个文件夹：把图片移到那里之前，请重命名其中一个。',
  },
  'data.vanished': {
    says: '{path} 中的图片已无法读取：{reason}。',
    advice: '请检查其所在的磁盘或网络，然后恢复运行。',
  },
  'data.no-val': {
    says: '{path} 中没有可用于验证的图片。',
    advice: '请添加 val 文件夹，或让每个类别至少有两张图片（其中一张留作验证）。',
  },
  'data.unlabelled': { says: '{count} 张验证图片在 {list} 中没有类别。', advice: '这些图片不参与训练，其余照常使用。' },
  'data.label-list': { says: '标签列表无法使用：{reason}。', advice: '请更正该列表，或把验证图片按类别放入文件夹。' },
  'data.splits-or-classes': {
    says: '文件夹 {folders} 内含相同的文件夹（{inner}）：它们可能是数据划分，也可能是类别。',
    advice: '用 --data-reading "{first}" 或 "{second}" 说明，或在“数据”页选择。',
  },
  'data.names-unclear': {
    says: '{train} 与 {val} 的名称像数据划分，却没有共同的类别文件夹。',
    advice: '用 --data-reading 说明它们是划分（"{first}"）还是类别（"{second}"）。',
  },
  'data.train-or-class': {
    says: '{folder} 内含文件夹，旁边的 {others} 中也有图片：它可能是训练集，也可能是一个类别。',
    advice: '用 --data-reading "{first}" 或 "{second}" 说明。',
  },
  'data.several-train': {
    says: '名称像训练集的文件夹不止一个：{folders}。',
    advice: '用 --data-reading "{first}" 或 "{second}" 说明。',
  },
  'data.several-sets': {
    says: '{folders} 各自是一个数据集，含 {inner} 和类别文件夹。',
    advice: '请选择其中一个作为数据文件夹。',
  },
  'data.no-train': {
    says: '文件夹的名称像数据划分（{folders}），但没有用于训练的。',
    advice: '请选择含 train 的文件夹；或用 --data-reading "{first}"，若是类别则用 "{second}"。',
  },
  'data.split-beside': {
    says: '{folder} 的名称像数据划分，其中又有与旁边相同的类别文件夹。',
    advice: '用 --data-reading 说明它是划分（"{first}"）还是类别（"{second}"）。',
  },
  'data.flat': {
    says: '{folder} 中有 {count} 张图片，但没有类别文件夹，也没有列表说明其类别。',
    advice: '请添加列表（含文件名和标签的 CSV），或将图片分入文件夹；若这些文件夹就是类别：--data-reading "{first}"。',
  },
  'data.no-such-folder': {
    says: '读取方式中的文件夹 {folder} 不在 {path} 中。',
    advice: '请用相对于数据文件夹的名称：train=FOLDER,val=FOLDER。',
  },
  'data.no-such-list': { says: '{path} 中没有列表 {list}。', advice: '请写出其中的 .csv、.tsv 或 .txt 文件。' },
  'data.list-line': {
    says: '{list} 第 {line} 行：{reason}。',
    advice: '请更正该行。含引号或分隔符的名称应放在引号内，与一般 CSV 相同。',
  },
  'data.list-columns': {
    says: '{list} 中可能是标签的列不止一个：{columns}。',
    advice: '请将标签列的表头改为 "label"。',
  },
  'data.list-length': {
    says: '{list} 有 {lines} 个标签，而图片有 {images} 张。',
    advice: '只含标签的列表须每张图片一行；最好在每行写出图片名。',
  },
  'data.list-base': {
    says: '{list} 的类别编号从 {lowest} 到 {highest}；共 {classes} 类，首个编号可能是 0 或 1。',
    advice: '用 --data-reading "{first}" 或 "{second}" 说明。',
  },
  'data.list-range': {
    says: '{list} 第 {line} 行：没有类别 {got}；编号范围为 {from} 到 {last}。',
    advice: '请更正列表，或补上缺少的类别文件夹。',
  },
  'data.list-twice': {
    says: '{list} 第 {line} 行：{file} 在前面的行中是另一类别。',
    advice: '每张图片只保留一个类别。',
  },
  'data.list-ambiguous': {
    says: '{list} 第 {line} 行：名为 {name} 的图片不止一张。',
    advice: '请同时写出文件夹：folder/name.jpg。',
  },
  'data.lists-differ': {
    says: '{a} 与 {b} 给图片的类别不同。',
    advice: '用 --data-reading "{first}" 或 "{second}" 说明以哪个为准。',
  },
  'data.lists-unused': {
    says: '未使用的列表：{lists}。',
    advice: '要使用其中之一：--data-reading "list=FILE"。',
  },
  'data.list-unknown': {
    says: '{list} 中 {count} 张图片的标签不是任何类别：{labels}。',
    advice: '它们不参与；请更正标签或补上类别文件夹。',
  },
  'data.only-others': { says: '{path} 只含不能读取的图片格式：{kinds}。', advice: '请转换为 JPEG 或 PNG。' },
  'data.compressed-tar': {
    says: '{path} 是整体压缩的：无法直接从中间读取图片。',
    advice: '请解包，或改为不压缩的包：gunzip 得到的 .tar 可直接读取。',
  },
  'data.packed': { says: '{path} 是不能读取的压缩包格式。', advice: '请解包，或打包为可直接读取的 .tar 或 .zip。' },
  'data.table-file': {
    says: '{path} 以表格或数据库形式保存图片，不能读取。',
    advice: '请将其中的图片按类别写入各自的文件夹。',
  },
  'data.set-missing': {
    says: '{path} 中没有按原样发布的 {set}：缺少 {wanted}。',
    advice: '请选择存放它的文件夹，或补齐缺少的文件；也可按文件夹读取：--data-set IMNET。',
  },
  'data.set-packed': {
    says: '{path} 是整体压缩的 {set}：无法直接读取其中的图片，而且太大，不会未经询问就解包。',
    advice: '请先解包，再重新选择文件夹：{command}',
  },
  'data.unpacked': {
    says: '{archive} 是整体压缩的：改为读取去掉压缩的副本（{size}，位于 {place}）。',
    advice: '副本可以删除；打开数据集时会重新生成。',
  },
  'data.set-file': {
    says: '{set} 的 {file} 无法使用：{reason}。',
    advice: '请重新下载并解压；也可按文件夹读取：--data-set IMNET。',
  },
  'data.set-several': {
    says: '{path} 中有不止一个数据集：{sets}。',
    advice: '用 --data-set 加名称说明，或用 --data-reading "{first}" 或 "{second}"。',
  },
  'data.set-or-folders': {
    says: '{set} 位于 {path}，旁边还有训练划分 {folder}：两者都可能是要用的数据。',
    advice: '用 --data-reading "{first}" 或 "{second}" 说明。',
  },
  'data.read-set': {
    says: '按 {set} 读取（位于 {folder}）：{train} 张训练图片来自 {trainFrom}，{val} 张验证图片来自 {valFrom}。',
    advice: '要按文件夹读取：--data-reading "{instead}"。',
  },
  'data.set-fine': { says: '类别为 100 个细类；20 个粗类未使用。', advice: '' },
  'data.set-splits': {
    says: '与 torchvision 相同：用 trnid 训练，用 valid 验证；tstid 的 {count} 张图片未使用。',
    advice: 'DeiT 论文用 trnid 与 valid 训练，用 tstid 测试：--data-reading "{instead}"。',
  },
  'data.set-absent': {
    says: '{set} 缺少 {count} 张图片，例如 {file}。',
    advice: '它们会被略过；要使用它们，请重新下载图片压缩包。',
  },
  'data.set-category': { says: '类别字段 {category} 属于 iNaturalist，对 {set} 不起作用。', advice: '' },
  'data.set-classes': {
    says: '{count} 个类别为 categories.json 中 {field} 的取值，按其在 {file} 中首次出现的顺序编号，与 DeiT 相同。',
    advice: '要用其他字段：--inat-category，或 --data-reading "category=…"。',
  },
  'data.set-labels': {
    says: '{set} 中有 {count} 张图片所在的类别文件夹与标注不符，例如 {file}。',
    advice: '与 DeiT 相同，以文件夹为准。若不正确，请重新下载标注。',
  },
  'data.set-same': { says: '{places} 中的相同图片未使用。', advice: '' },
  'data.read-wrapped': { says: '数据位于 {folder}，它是其中唯一的文件夹。', advice: '' },
  'data.read-names': {
    says: '按名称，{train} 用于训练，{val} 用于验证。',
    advice: '若它们是类别：--data-reading "{instead}"。',
  },
  'data.read-inside': {
    says: '数据划分位于各类别文件夹内：{train} 用于训练，{val} 用于验证。',
    advice: '要合并使用：--data-reading "classes"。',
  },
  'data.read-as-class': {
    says: '{folder} 的名称像数据划分，但与旁边的文件夹一样作为类别读取。',
    advice: '若它不是类别，请另选数据文件夹或将其移走。',
  },
  'data.unicode-forms': {
    says: '{folder} 中 {count} 个类别文件夹的名称与 train 中的字节不同（macOS 对重音符号的写法，如 {example}），视为相同的类别。',
    advice: '',
  },
  'data.test-as-val': {
    says: '没有验证集：{folder} 用于验证。',
    advice: '若要在训练中完全不用它：--data-reading "{instead}"。',
  },
  'data.left-out': { says: '未使用：{folders}。', advice: '要使用其他划分：--data-reading "train=…,val=…"。' },
  'data.beside': { says: '数据划分旁的文件夹未使用：{folders}。', advice: '' },
  'data.order': {
    says: '类别按码位编号，与 torchvision 相同（{ours}）；timm 的顺序为 {timm}。',
    advice: '使用外来的模型或带编号的列表时须注意。',
  },
  'data.read-list': {
    says: '{list} 按名称给出 {folder} 中 {total} 张图片里 {count} 张的类别（列 {file} 和 {label}）。',
    advice: '要用其他列表：--data-reading "list=FILE"。',
  },
  'data.read-numbered-list': {
    says: '{list} 按编号（从 {from} 起）给出 {folder} 中 {total} 张图片里 {count} 张的类别（列 {file} 和 {label}）。',
    advice: '编号是类别名按码位排序的位置。否则：--data-reading "labels=0" 或 "labels=1"。',
  },
  'data.read-lines': {
    says: '{list} 按图片名的顺序逐行给出 {folder} 中 {total} 张图片里 {count} 张的类别。',
    advice: '',
  },
  'data.read-numbered-lines': {
    says: '{list} 按图片名的顺序逐行给出 {folder} 中 {total} 张图片里 {count} 张的类别编号，从 {from} 起。',
    advice: '否则：--data-reading "labels=0" 或 "labels=1"。',
  },
  'data.read-devkit': { says: '{list} 与开发包给出 {folder} 中 {total} 张图片里 {count} 张的类别。', advice: '' },
  'data.passed-images': { says: '已跳过不能读取的图片格式：{kinds}。', advice: '要使用请转换为 JPEG 或 PNG。' },
  'data.passed-junk': { says: '已跳过其他程序留下的内容：{names}。', advice: '' },
  'data.passed-files': { says: '已跳过 {count} 个其他文件：{kinds}。', advice: '' },
  'data.passed-loose': {
    says: '{folder} 中有 {count} 张图片不在任何类别文件夹内，未使用。',
    advice: '要使用请移入类别文件夹。',
  },
  'data.more-warnings': { says: '另有 {count} 条 {code} 类的提示。', advice: '只列出前面的部分。' },
  'data.excluded': { says: '列表 {list} 排除了 {count} 张图片。', advice: '编辑该列表即可更改。' },
  'data.findings': {
    says: '检查发现 {unreadable} 张无法读取的图片，以及 {leaks} 张同时出现在验证集中的训练图片。',
    advice: '请修复或移除它们；不加 --strict 时这不算失败。',
  },
  'data.too-few': {
    says: '可读取的训练图片只有 {count} 张，不足一批（{batch} 张）。',
    advice: '请减小批大小或添加图片。',
  },
  'engine.missing': {
    says: '引擎（TensorFlow {version}）尚未安装。',
    advice: '请在“引擎”页安装，或运行：stillhouse engine install',
  },
  'engine.download': {
    says: '引擎下载失败：{reason}。',
    advice:
      '请检查与 Python 软件包索引的连接（镜像：PIP_INDEX_URL）后重新开始，已下载的部分会保留；或自带 wheel 文件：stillhouse engine install --from FOLDER',
  },
  'engine.corrupt': {
    says: '引擎文件 {file} 与固定的版本不符：应为 {expected}，实为 {got}。',
    advice: '请用以下命令替换：stillhouse engine install --force',
  },
  'engine.load': { says: '引擎无法载入：{reason}。', advice: '请运行：stillhouse engine verify' },
  'engine.platform': {
    says: '没有适用于 {platform} 的引擎：{reason}。',
    advice: '引擎适用于 x86 与 ARM 处理器的 64 位 Linux、x86 的 Windows 和 Apple 芯片的 macOS。',
  },
  'engine.no-plugin': {
    says: '插件 {plugin} {version} 尚未安装。',
    advice: '请在“引擎”页安装，或运行：stillhouse engine install --device {plugin}',
  },
  'engine.wheels': {
    says: '{all} 个 wheel 文件中有 {count} 个不在 {path}：{files}。',
    advice: 'stillhouse engine wheels 会列出全部文件，供另一台机器上的 pip download 使用。',
  },
  'gpu.cpu-chosen': { says: '已选择处理器。', advice: '设备选“auto”即可用 NVIDIA GPU 计算。' },
  'gpu.platform': {
    says: '没有适用于 {platform} 的 NVIDIA GPU 插件。',
    advice: '可在 x86 处理器的 64 位 Linux 上使用；Windows 上为实验性支持。',
  },
  'gpu.none': {
    says: '本机未发现 NVIDIA GPU。',
    advice: '由处理器计算。其他厂商的加速器须按名称指定，例如 --device pjrt:rocm。',
  },
  'gpu.no-driver': {
    says: '有 NVIDIA GPU，但其驱动未载入。',
    advice: '请安装 {needed} 或更新的 NVIDIA 驱动，重启机器后再次检测。',
  },
  'gpu.driver-silent': {
    says: 'NVIDIA 驱动没有应答：{reason}。',
    advice: '更新驱动后请重启机器。在容器中请开放 GPU（docker run --gpus all）。',
  },
  'gpu.driver-old': {
    says: 'NVIDIA 驱动 {driver} 过旧，{plugin} 无法使用。',
    advice: '请安装 {needed} 或更新版本，重启机器后再次检测。',
  },
  'gpu.hidden': {
    says: 'CUDA_VISIBLE_DEVICES 为“{value}”，隐藏了所有 GPU。',
    advice: '启动 Stillhouse 时请不要设置它，或填入要使用的 GPU 编号。',
  },
  'gpu.too-old': {
    says: '{name} 的计算能力为 {capability}，{plugin} 需要 {needed}。',
    advice: '改由处理器计算。',
  },
  'gpu.no-engine': {
    says: '适合本机的插件 {plugin} 尚未安装。',
    advice: '请在“引擎”页安装，或运行：stillhouse engine install --device {plugin}',
  },
  'gpu.engine-unready': {
    says: '插件 {plugin} 尚未就绪：{reason}。',
    advice: '请在“引擎”页验证，或运行：stillhouse engine verify --device {plugin}',
  },
  'gpu.not-seen': {
    says: '插件 {plugin} 无法使用 {device}：{reason}。',
    advice: '请在“引擎”页再次检测，或运行：stillhouse engine check',
  },
  'gpu.no-such': { says: '没有 {device}；本机有 {count} 个 GPU。', advice: '可用 stillhouse engine status 列出。' },
  'weights.none': {
    says: '没有已发布的 {model} ImageNet 权重。',
    advice: '请指定作为起点的权重文件，或从随机权重开始。',
  },
  'weights.download': {
    says: '{model} 的权重下载失败：{reason}。',
    advice: '请检查与 Python 软件包索引的连接后重新开始；已下载的部分会保留。',
  },
  'weights.fetch': {
    says: '无法获取 {address}：{reason}。',
    advice: '已下载的部分会保留：重新开始即可继续。也可用其他方式取得该文件，并放到 {place}。',
  },
  'weights.hash': {
    says: '{address} 不是应有的文件：其 SHA-256 以 {got} 开头，应为 {expected}。',
    advice: '该文件已删除。请重试；若仍如此，说明服务器或途中的设备改动了文件。',
  },
  'weights.table': {
    says: '{path} 不是公开权重表：应为 {expected}，实为 {got}。',
    advice: '请改正 STILLHOUSE_WEIGHTS_TABLE 所指的文件，或取消该变量；其格式见 docs/published-weights.md。',
  },
  'weights.being-fetched': { says: '正在获取 {id}。', advice: '请先取消，或等它完成。' },
  'weights.not-here': {
    says: '{path} 处的权重尚不在本机。',
    advice: '可在此设置旁、“权重”页获取，或运行：stillhouse weights get {path}',
  },
  'engine.op': { says: 'TensorFlow 拒绝了 {op}：{reason}。', advice: '这是程序缺陷，请附上此文字报告。' },
  'weights.format': { says: '{path}：{reason}。', advice: `请使用受支持模型的 ${exportEndings(' 或 ')} 文件。` },
  'weights.hostile': {
    says: '{path} 要求执行 {name}，权重文件不得如此。',
    advice: '请勿用会执行 pickle 的工具打开此文件，并从可信来源获取权重。',
  },
  'device.refused': { says: '加速器拒绝了 {call}：{reason}。', advice: '这可能是程序缺陷，请附上此文字报告。' },
  'device.no-plugin': {
    says: '没有插件能在 {device} 上计算：{reason}。',
    advice: '请在“引擎”页安装或验证，或运行：stillhouse engine install --device {plugin}',
  },
  'device.out-of-memory': {
    says: '加速器的内存不足：{reason}。',
    advice: '请减小批大小或启用重新计算，并关闭占用该设备的其他程序。',
  },
  'model.absent': {
    says: '此处没有 DeiT 的 {name}。',
    advice: '最接近的是 {suggested}；stillhouse models 列出全部。',
  },
  'weights.module': {
    says: '{path} 是整个序列化的模型 {type}，只有创建它的代码才能读取。',
    advice: '在有该代码的地方只保存权重：torch.save(model.state_dict(), "weights.pth")',
  },
  'weights.entry': {
    says: '{path} 未说明指的是哪个 状态字典（请求：{entry}）。其中有 {entries}。',
    advice: '用 --entry NAME 指定其中之一。',
  },
  'weights.entry-taken': {
    says: '{path} 含有多个 状态字典：{entries}。已取用：{entry}。',
    advice: '用 --entry NAME 取用另一个。',
  },
  'weights.no-average': {
    says: '{path} 不含模型的滑动平均。其中有 {entries}。',
    advice: '不使用平均，或用 --entry NAME 指定一个 状态字典。',
  },
  'weights.prefixes': {
    says: '{path} 含有多个网络，名称分别以 {prefixes} 开头。',
    advice: '用 --entry NAME 指定其中一个开头。',
  },
  'weights.left-out': {
    says: '{path} 中取用以 {prefix} 开头的数组；其余 {count} 个未取用：{examples}。',
    advice: '用 --entry NAME（名称的开头）取用其他数组。',
  },
  'weights.taken': {
    says: '{path} 视为 {model}：{why}。',
    advice: '若是其他网络，用 --model NAME 或窗口中的“网络”指定。',
  },
  'weights.ambiguous': {
    says: '{path} 同时符合 {models}，它们的回答不同，而文件未说明是哪一个。',
    advice: '指定网络：命令中用 --model NAME，窗口中用“网络”。权重旁带有 {file} 的 Hub 文件夹也会说明。',
  },
  'weights.unrecognised': {
    says: '{path} 不符合此处的任何网络。',
    advice: 'stillhouse inspect 显示其内容，stillhouse models 列出此处的网络。',
  },
  'weights.network': {
    says: '按 {source} 所述，{path} 视为 {model}。其数组也符合 {others}。',
    advice: '若非如此，用 --model NAME 或窗口中的“网络”指定。',
  },
  'weights.other-network': {
    says: '{source} 称 {path} 是 {named}；现视为 {model}，其图片处理或计算方式不同。',
    advice: '若指的是 {named}，请选择它。',
  },
  'weights.wrong-network': {
    says: '{source} 称 {path} 是 {named} 而不是 {model}，两者回答会不同。',
    advice: '请选择 {named}。',
  },
  'weights.unknown-network': {
    says: '{source} 称 {path} 是 {named}，此处没有该网络。',
    advice: '此处的网络：stillhouse models',
  },
  'weights.config': {
    says: '{path}：{key}：应为 {expected}，实为 {got}。',
    advice: '此处没有这种网络，或文件已损坏。没有该文件时，用 --model NAME 指定网络。',
  },
  'weights.crop-deit': {
    says: '{model} 的裁剪比为 {ratio}，与 DeiT 的代码和表格一致；timm 列为 {timm}。',
    advice: '用 --eval-crop-ratio 指定其他值，教师则用其卡片中的 cropRatio。',
  },
  'weights.squash': {
    says: '{path} 把整张图片压成 {size} × {size}，不论其形状；此处改为裁取中央。',
    advice: '对非正方形图片，回答会不同。',
  },
  'weights.class-order': {
    says: '{path} 未列出类别名称：其输出按此顺序对应文件夹：{order}。按数字顺序则为 {natural}。',
    advice: '若顺序不同，请按输出顺序给出名称：--classes FILE。',
  },
  'weights.class-number': {
    says: '{path} 未列出类别名称：文件夹 {example} 对应从 0 数起的第 {example} 个输出，而不是它在排序名称中的位置。',
    advice: '若顺序不同，请按输出顺序给出名称：--classes FILE。',
  },
  'weights.class-thousand': {
    says: '{path} 没有类别名称：其 {count} 个输出视为 ImageNet-1k 的类别，按其顺序。',
    advice: '若是其他类别，请按输出顺序给出名称：--classes FILE。',
  },
  'weights.class-numbers': {
    says: '{path} 没有类别名称：其 {count} 个输出用编号表示，从 0 开始。',
    advice: '请按输出顺序给出名称：--classes FILE。',
  },
  'weights.names-count': {
    says: '{path} 有 {count} 个输出，但给出了 {names} 个类别名称。',
    advice: '请按输出顺序给出同样多的名称：--classes FILE。',
  },
  'weights.class-imagenet': {
    says: '{path} 的类别名称与文件夹不同：其 {count} 个输出按 ImageNet 的顺序对应。',
    advice: '若顺序不同，请按输出顺序给出名称：--classes FILE。',
  },
  'weights.class-file': {
    says: '{path} 未给出类别名称：{got}。',
    advice: '请给出每行一个名称的文本文件、JSON 列表或 {"0": "cat", "1": "dog"}。',
  },
  'weights.class-count': {
    says: '{path} 区分 {weightClasses} 个类别，数据集有 {dataClasses} 个。',
    advice: '请在训练它的数据上评估，或在此数据上训练它：--finetune。',
  },
  'weights.class-names': {
    says: '{path} 区分的类别不同：其第 {number} 类是 {theirs}，数据的是 {ours}。',
    advice: '请使用训练它的数据，或按输出顺序给出正确名称：--classes FILE。',
  },
  'weights.keys': {
    says: '{path} 与 {model} 不符：缺少 {missing}；多余 {unexpected}；形状不符 {misshapen}。',
    advice: '请选择这些权重所属的模型。',
  },
  'teacher.classes': {
    says: '教师 {teacher} 有 {teacherClasses} 个类别，数据集有 {dataClasses} 个。',
    advice: '请先在此数据集上微调教师（配方，训练教师），或在其卡片中写明各输出的类别名称。',
  },
  'teacher.lacks-classes': {
    says: '数据的 {dataClasses} 个类别中，教师 {teacher} 不认识 {count} 个：{missing}。',
    advice: '请按教师的类别名称重命名类别文件夹，或更正其卡片中的类别。',
  },
  'teacher.format': {
    says: '{path}：{reason}。',
    advice: '请使用 ONNX 文件，或含 saved_model.pb 的 SavedModel 文件夹。',
  },
  'teacher.interface': {
    says: '{path} 无法直接用作教师：应为{expected}，而不是 {got}。',
    advice: '请更正其卡片（stillhouse teacher-card），或重新导出：输入为 float32 图片，输出为类别得分。',
  },
  'teacher.card': {
    says: '卡片 {path} 有误：{key}：应为{expected}，而不是 {got}。',
    advice: '请更正它，或删除后重新写入：stillhouse teacher-card',
  },
  'teacher.answers': {
    says: '{path} 的卡片说它输出 {said},而它输出的是 {seen}:{shown}。',
    advice: '请更正卡片:stillhouse teacher-card {path} --output {seen}',
  },
  'teacher.taken-probabilities': {
    says: '{path} 输出概率({shown}),而卡片没有说明:取其对数作为 logits。',
    advice: '要写入卡片:stillhouse teacher-card {path} --output probabilities',
  },
  'teacher.sigmoid': {
    says: '{path} 用 sigmoid 分别回答每个类别:这些数不是各类别上的概率分布。',
    advice: '请在卡片中指定 sigmoid 之前的输出(outputName),或导出不带它的网络。',
  },
  'teacher.normalises': {
    says: '{path} 给定了 mean {mean} 和 std {std},而文件自己处理像素({steps})。',
    advice: '请更正卡片:stillhouse teacher-card {path} --mean {rightMean} --std {rightStd}',
  },
  'teacher.taken-pixels': {
    says: '{path} 自己处理像素({steps}):给它 0 到 {top} 的像素,不再使用 mean 和 std。',
    advice: '要写入卡片:stillhouse teacher-card {path} --mean {rightMean} --std {rightStd}',
  },
  'teacher.scale-unclear': {
    says: '{path} 先缩放图片({steps}),但没有说明它需要什么范围的数。',
    advice: '请在卡片中给出 mean 和 std(此前像素在 [0, 1] 内):stillhouse teacher-card {path} --mean R G B --std R G B',
  },
  'teacher.class-order': {
    says: 'timm 会按数字给文件夹排另一种顺序：{natural}。此处认为教师 {teacher} 学到的顺序是：{order}。',
    advice: '如果它由 timm 在这样的文件夹上训练，请按其顺序给出名称：--teacher-classes FILE，或卡片中的 classes。',
  },
  'teacher.taken-order': {
    says: '教师 {teacher} 没有类别名称:它的 {count} 个输出按文件夹的顺序对应:{classes}。',
    advice: '如果顺序不同,请给出名称:--teacher-classes FILE,或卡片中的 classes。',
  },
  'teacher.assumed': {
    says: '{path} 的卡片和文件都没有说明 {fields}:采用通常的值。',
    advice: '请用 stillhouse teacher-card 查看,并更正不符之处。',
  },
  'teacher.card-changed': {
    says: '自本次运行开始以来,{path} 的卡片已改变:{fields}。今后以卡片为准。',
    advice: '要照旧继续,请把原来的值写回卡片。',
  },
  'teacher.run': {
    says: '教师 {path} 运行失败：{reason}。',
    advice: '请检查其卡片以及它在别处能否运行；训练可从最后的检查点恢复。',
  },
  'teacher.missing': {
    says: '蒸馏需要教师，但尚未选择。',
    advice: '请选择教师模型及其权重，或将蒸馏设为“无”。',
  },
  'answers.found': {
    says: '教师对 {batches} 个批次的回答中，有 {kept} 个保存在 {path}。',
    advice: '这些直接取用；其余的向教师询问。',
  },
  'answers.differ': {
    says: '{path} 中保存的回答已与教师不符：{reason}。',
    advice: '已删除；将重新询问教师并保存其回答。',
  },
  'answers.damaged': {
    says: '{path} 已损坏；其中是教师对 {count} 个批次的回答。',
    advice: '已移除，并重新询问教师。',
  },
  'answers.other-images': {
    says: '第 {epoch} 轮第 {batch} 批的图片与 {path} 中的回答所对应的图片不同。',
    advice: '图片文件已改变，或者当时或现在无法读取。这些批次将向教师询问。',
  },
  'answers.other-validation': {
    says: '第 {batch} 批验证图片与 {path} 中的回答所对应的图片不同。',
    advice: '图片文件已改变，或者当时或现在无法读取。这些批次将向教师询问。',
  },
  'answers.other-teacher': {
    says: '{path} 中的教师与运行开始时的不同。',
    advice: '请放回原来的文件，或用所选的教师另开一次运行。',
  },
  'answers.not-kept': {
    says: '教师的回答不再写入 {path}：{reason}。',
    advice: '训练继续进行并询问教师。请腾出空间，或提高 --answers-budget；已保存的仍会使用。',
  },
  'answers.unknown': {
    says: '以 {id} 开头的已保存回答有 {count} 份。',
    advice: '请使用 stillhouse teach --list 所列的名称之一。',
  },
  'answers.in-use': {
    says: '已保存的回答 {id} 正在使用中。',
    advice: '请先停止使用它们的训练。',
  },
  'recipe.unknown-key': { says: '配方中有未知设置：{key}。', advice: '请删除它或更正拼写。' },
  'recipe.invalid': { says: '{key}：应为{expected}，而不是 {got}。', advice: '请在配方中更正该值。' },
  'recipe.no-distillation-head': {
    says: '{model} 没有蒸馏词元：其分类头同时学习标签与教师。',
    advice: '名称中含 distilled 的模型用单独的头学习教师，效果更好。',
  },
  'recipe.odd-batch': {
    says: 'Mixup 与 CutMix 需将一批图片两两配对，而 {batch} 是奇数。',
    advice: '请选择偶数的批大小，或将 Mixup 与 CutMix 设为 0。',
  },
  'run.missing': { says: '{path} 中没有运行。', advice: '请选择运行文件夹，其中有 run.json。' },
  'run.locked': { says: '运行 {path} 自 {since} 起正被进程 {owner} 使用。', advice: '请停止该进程，或等待其结束。' },
  'run.damaged': { says: '运行 {path} 无法打开：{reason}。', advice: '其检查点完好，请由其中之一开始新的运行。' },
  'run.bad-step': {
    says: '从 {path} 看不出是哪个批次：{reason}。',
    advice: '请从最后的检查点恢复：若损失再次出错，该文件会重新写入。',
  },
  'run.classes-changed': {
    says: '{path} 中的类别与运行开始时不同。',
    advice: '请恢复各类别的文件夹，或开始新的运行。',
  },
  'run.no-checkpoint': { says: '运行 {path} 没有完整的检查点。', advice: '请重新开始。' },
  'run.exists': { says: '{path} 中已有一个运行。', advice: '请恢复它，或选择其他文件夹。' },
  'run.in-trash': {
    says: '{path} 中的运行在回收站里。',
    advice: '请还原它、清空回收站，或选择其他文件夹。',
  },
  'checkpoint.damaged': { says: '检查点 {path} 已损坏：{reason}。', advice: '将改用它之前最新的完整检查点。' },
  'run.precision-changed': {
    says: '此前以 {before} 精度训练，现在以 {now} 继续：精度 auto 在这台机器上的含义如此。',
    advice: '若这台机器支持，要照旧继续请用：--precision {before}。',
  },
  'run.optimizer-changed': {
    says: '{path} 并非由优化器 {opt} 写成：其中没有 {missing}。',
    advice: '请用训练它的优化器恢复，或以其权重开始新的运行。',
  },
  'run.pretrained': {
    says: '从 {path}（{layout}）的权重开始：取用 {all} 个数组中的 {taken} 个；调整大小：{resized}；重新抽取：{renewed}；未用：{left}。',
    advice: '重新抽取的值由随机种子决定。',
  },
  'run.non-finite': {
    says: '损失在第 {step} 步变为 {loss}。',
    advice:
      '此前的状态已保存，运行文件夹中的 non-finite.json 记下了该批次。请以较低的学习率恢复；若再次失败，请从较早的检查点恢复。',
  },
  'run.gradients': {
    says: '梯度在第 {step} 步溢出，而损失为 {loss}。',
    advice:
      '此前的状态已保存，运行文件夹中的 non-finite.json 记下了该批次。请以较低的学习率或开启梯度裁剪后恢复；若再次失败，请从较早的检查点恢复。',
  },
  'run.overflow': {
    says: '损失在第 {step} 步变为 {loss}：此前权重（{name}）已经溢出。',
    advice: '溢出的权重未保存；运行文件夹中的 non-finite.json 记下了该批次。请以较低的学习率从最后一个检查点恢复。',
  },
  'ranks.lost': {
    says: '第 {rank} 号进程已失联：{reason}。',
    advice: '其余进程也已结束；已保存的内容没有丢失：请恢复运行，或使用 --max-restarts 自动恢复。',
  },
  'ranks.missing': {
    says: '以下编号的进程在 {minutes} 分钟内没有加入：{ranks}。',
    advice: '请查看它们的输出，并确认它们能连接到这台机器。',
  },
  'ranks.listen': {
    says: '无法在 {place} 等待其他进程：{reason}。',
    advice: '请用 MASTER_PORT 指定空闲端口，用 MASTER_ADDR 指定这台机器的地址。',
  },
  'ranks.no-leader': {
    says: '0 号进程在 {place} 没有回应：{reason}。',
    advice: '请确认它正在运行，且所有进程的 MASTER_ADDR 与 MASTER_PORT 相同。',
  },
  'ranks.refused': {
    says: '0 号进程没有接纳本进程：{reason}。',
    advice: '请用同一命令启动一次运行的所有进程。',
  },
  'ranks.data': {
    says: '第 {rank} 号进程看到的数据与 0 号不同：{reason}。',
    advice: '请让所有机器上的 {path} 包含相同的文件。',
  },
  'ranks.precision': {
    says: '第 {rank} 号进程将以 {theirs} 计算，而 0 号以 {ours} 计算。',
    advice: '请为所有进程统一指定：--precision float32。',
  },
  'ranks.changed': {
    says: '该运行停在由 {before} 个进程开始的一轮之中；{now} 个进程会以另一种顺序看到图片。',
    advice: '请用 {before} 个进程继续，或从某一轮结束时的检查点继续。',
  },
  'run.engine-now': {
    says: '此训练由 {before} 开始，从这里起由 {now} 计算。',
    advice: '除舍入外，各引擎得到的数值相同。--device 决定训练在哪里计算。',
  },
  'ranks.now': {
    says: '该运行现在以 {now} 个进程继续，此前为 {before} 个。',
    advice: '从这里起，每一轮都会重新分配图片。',
  },
  'ranks.processor': {
    says: '多个进程只能在处理器上计算。',
    advice: '请加上 --device cpu。',
  },
  'ranks.no-secret': {
    says: '本次运行的进程没有共享密钥：在它们集合期间，任何能连接 {place} 的人都可能冒充其中之一。',
    advice: '请为所有进程设置相同的 STILLHOUSE_RANKS_SECRET。',
  },
  'run.died': { says: '训练进程意外结束（{reason}）。', advice: '已保存的内容没有丢失：请从最后一个检查点恢复。' },
  'run.silent': {
    says: '训练进程已有 {seconds} 秒没有响应。',
    advice: '它可能正忙或内存不足。请等待或停止运行；已保存的内容不会丢失。',
  },
  'run.busy': {
    says: '运行 {run} 正在训练。',
    advice: '可将此运行加入队列，或与其同时开始：两者都会变慢，并共同占用内存。',
  },
  'distil.missing': { says: '蒸馏计划 {plan} 已不存在。', advice: '请从其文件夹重新开始。' },
  'distil.teacher-stopped': {
    says: '教师 {run} 在完成前被停止，因此未开始训练学生。',
    advice: '继续后，教师将训练至完成，随后开始训练学生。',
  },
  'distil.teacher-failed': {
    says: '教师 {run} 训练失败，因此未开始训练学生。',
    advice: '原因见其页面。继续后将从其最后的检查点接着训练。',
  },
  'study.missing': { says: '研究 {study} 已不存在。', advice: '请重新创建，或选择另一个：stillhouse study list。' },
  'study.variant': {
    says: '方案 {variant} 无法训练：{words}',
    advice: '请修改其设置，或将其从研究中移除。',
  },
  'study.too-many': {
    says: '此研究有 {count} 次训练，超过 {most} 次。',
    advice: '请去掉一些方案或种子，或将其拆成几个研究。',
  },
  'study.needs': { says: '{template} 类研究需要{what}。', advice: '请提供后重新创建研究。' },
  'queue.stopped': { says: '队列已暂停，因为有人停止了 {run}。', advice: '继续队列即可开始下一个运行。' },
  'queue.restarted': { says: '队列已暂停，因为 Stillhouse 重新启动了。', advice: '继续队列即可开始下一个运行。' },
  'queue.paused': { says: '队列已暂停。', advice: '继续队列即可开始下一个运行。' },
  'queue.elsewhere': {
    says: '另一个 Stillhouse（进程 {owner}）正在管理队列。',
    advice: '请在那里更改，或结束该进程。',
  },
  'run.stalled': {
    says: '训练已有 {minutes} 分钟没有完成一步，已被结束。',
    advice:
      '已保存的内容没有丢失：请从最后一个检查点恢复。如果每一步确实这么慢，请增大 --stall-minutes；如果再次发生，请检查数据所在磁盘、内存和 GPU。',
  },
  'run.out-of-memory': {
    says: '训练耗尽了内存：{reason}。',
    advice: '已保存的内容没有丢失：请以 {settings} 恢复。',
  },
  'run.unsaved': {
    says: '运行在磁盘已满时被停止：第 {saved} 步之后的训练没有保存。',
    advice: '请先释放空间，再恢复：将从第 {saved} 步继续。',
  },
  'disk.reserve': {
    says: '此运行的检查点在 {path} 中需要 {needed}，可用空间为 {free}。',
    advice: '请释放空间、选择其他运行文件夹，或保留更少的检查点（--keep-checkpoints）。',
  },
  'disk.full': {
    says: '磁盘已满：无法写入 {path}（需要 {needed}）。',
    advice: '请释放空间后恢复运行。已有文件未受影响。',
  },
  'disk.denied': { says: '无法写入 {path}：{reason}。', advice: '请选择您有写入权限的文件夹。' },
  'evaluation.real': {
    says: '{path} 不是 ReaL 标签列表：{reason}。',
    advice: '请使用其作者发布的 real.json，并用于 ImageNet 的验证图片；否则不要提供。',
  },
  'evaluation.class-index': {
    says: '{path} 没有说明各编号对应的类别：{reason}。',
    advice: '请提供形如 {"0": ["n01440764", "tench"]} 的 JSON 文件；不提供则按 ImageNet 的顺序。',
  },
  'evaluation.classes': {
    says: '{path} 中的文件夹不是模型的类别：{difference}。',
    advice: '请以类别名称或类别编号（从 0 起）命名各文件夹。',
  },
  'evaluation.matched': {
    says: '输出与文件夹的对应方式：{how}。',
    advice: '若名称不同，请按输出顺序给出：--classes FILE，或窗口中的“类别名称”。',
  },
  'evaluation.missing': { says: '没有评估 {id}。', advice: '请重新评估。' },
  'evaluation.damaged': { says: '无法读取 {path} 处的评估：{reason}。', advice: '请重新评估。' },
  'photo.too-large': { says: '图片有 {got}，最多接受 {most}。', advice: '请缩小后重试。' },
  'photo.unreadable': { says: '无法读取图片：{reason}。', advice: '请改用 JPEG 或 PNG。' },
  'photo.left-out': { says: '有 {count} 张图片无法读取。', advice: '已在上方列出；其余图片已给出结果。' },
  'photo.gone': { says: '图片已不在内存中。', advice: '请重新提供。' },
  'file.missing': { says: '{path} 处没有文件。', advice: '请检查路径。' },
  'file.unknown': {
    says: '无法在此打开 {path}。',
    advice: `请打开图片文件夹、运行文件夹、配方（.yaml、.json）或权重（${exportEndings('、')}）。`,
  },
  'file.exists': { says: '{path} 处已有文件。', advice: '请将其移走后重试。' },
  'folder.unreadable': { says: '无法打开 {path}：{reason}。', advice: '请选择其他文件夹。' },
  'file.unreadable': { says: '无法读取 {path}：{reason}。', advice: '请检查其权限。' },
  'port.in-use': { says: '端口 {port} 已被占用。', advice: '请用 --port 选择其他端口，0 表示任意空闲端口。' },
  'app.second-instance': { says: 'Stillhouse 已经打开。', advice: '其窗口已移到前面。' },
  'rpc.unknown-call': { says: '没有名为 {name} 的调用。', advice: '请重新载入窗口。' },
  'rpc.busy': { says: '此窗口有超过 {waiting} 个调用在等待答复。', advice: '请稍候再试。' },
  'rpc.closed': { says: '与服务的连接已关闭。', advice: '请重新载入窗口。' },
  'protocol.answer': {
    says: '服务答复的格式无法识别：{name}：应为{expected}，实为 {got}。',
    advice: '请重新载入窗口；若再次发生，请附上此文字报告。',
  },
  'protocol.event': {
    says: '服务通知的格式无法识别：{name}：应为{expected}，实为 {got}。',
    advice: '该通知已略过。请重新载入窗口；若再次发生，请附上此文字报告。',
  },
  'protocol.trainer': {
    says: '训练进程答复的格式无法识别：{name}：应为{expected}，实为 {got}。',
    advice: '已保存的内容不会丢失。请附上此文字报告。',
  },
  'sample.build': {
    says: '示例数据无法构建：{reason}。',
    advice: '请检查与软件包仓库的连接后重新开始；已下载的部分会保留。',
  },
  'export.facts': {
    says: '{file} 对 {what} 的说明为 {got}，而检查点为 {expected}。',
    advice: '请重新导出；否则读取者会错误地使用该文件。',
  },
  'export.parameters': {
    says: '{file} 中有 {count} 个数组与检查点不同，首个为 {name}。',
    advice: '请重新导出；若再次出现，请检查磁盘。',
  },
  'export.answers': {
    says: '在 {images} 张图片上，{file} 的回答与检查点不同：logit 最多相差 {max}，而舍入只会造成 {allowed}。',
    advice: '请勿使用该文件；请重新导出。',
  },
  'export.no-checkpoint': {
    says: '生成 {path} 的检查点已不存在。',
    advice: '请导出现有的检查点，或指定用于比较的检查点。',
  },
  'export.ending': {
    says: '{path} 的扩展名属于另一种格式，而不是 {format}。',
    advice: '请使用该格式的扩展名，或选择扩展名所表示的格式。',
  },
  'export.run': { says: '{runtime} 无法运行 {file}：{reason}。', advice: '请勿使用该文件；请重新导出。' },
  'export.agreement': {
    says: '在 {images} 张图片中，{file} 与检查点的判断仅有 {agreement} % 相同；至少应为 {least} %。',
    advice: '请勿使用该文件；请导出为 float32。',
  },
  'export.accuracy': {
    says: '在 {images} 张图片中，{file} 判断正确 {after} %，检查点为 {before} %。',
    advice: '如果这很重要，请导出为 float32 或 float16。',
  },
  'export.half': {
    says: 'float16 无法表示 {name} 中的 {value}：其最大值为 {most}。',
    advice: '请导出为 float32。',
  },
  'export.int8': {
    says: '{model} 是卷积网络：int8 对其卷积没有好处。',
    advice: '请导出为 float32 或 float16。',
  },
  'export.large': {
    says: '此网络的 SavedModel 需要 {bytes} 字节；常量图最多容纳 {most} 字节。',
    advice: '请导出为 ONNX，它把大的权重放在第二个文件中。',
  },
  'export.network': {
    says: '{format} 格式没有 {model} 这样的网络。',
    advice: '请导出为 {instead}，Python 同样可以加载。',
  },
  'export.failed': { says: '{path} 未通过检查。', advice: '请勿使用该文件；请重新导出。' },
  'job.died': { says: '此任务的进程意外结束（{reason}）。', advice: '其他内容没有受影响：请重新开始。' },
  'job.out-of-memory': {
    says: '此任务耗尽了内存：{reason}。',
    advice: '请关闭其他程序，或一次处理更少的图片（--batch-size），或使用更小的网络。',
  },
  'slurm.missing': {
    says: '这里没有 Slurm 应答：{reason}。',
    advice: '请使用集群中的机器，例如登录节点。脚本可以在这里写好，到那里提交。',
  },
  'slurm.written': {
    says: '没有提交，因为这里没有 Slurm 应答：{reason}。脚本是 {path}。',
    advice: '请在集群中能访问此文件夹的机器上提交：sbatch {path}',
  },
  'slurm.refused': {
    says: 'Slurm 拒绝了请求（{command}）：{message}。',
    advice: '请更改分区、节点数、时间或其他选项；sinfo 会列出可用的资源。',
  },
  'slurm.silent': {
    says: 'Slurm 已有 {seconds} 秒没有应答（{command}）。',
    advice: '控制器可能很忙。请稍后再试。',
  },
  'slurm.unreadable': {
    says: '无法理解 Slurm 的回答（{command}）：{got}',
    advice: '请连同版本号一起报告：sinfo --version',
  },
  'slurm.no-job': {
    says: '没有从这里提交过作业 {job}。',
    advice: 'stillhouse slurm 会列出提交过的作业。',
  },
  'slurm.not-ended': { says: '作业 {job} 还没有结束。', advice: '请先取消它。' },
  'slurm.no-log': { says: '作业 {job} 还没有写过日志。', advice: '作业开始运行后才有日志。' },
  'slurm.app-image': {
    says: 'Slurm 无法启动 AppImage {path}：它的文件只在窗口打开时存在。',
    advice: '请使用各节点都能读取的已解包的安装。',
  },
  'slurm.cpus': {
    says: '每个任务使用 {count} 个处理器核心。',
    advice: '可用 --cpus-per-task N 或窗口中的“每个任务的处理器核心”更改。',
  },
  'slurm.ranks': {
    says: '{count} 个任务分担每一步的 {batch} 张图片，每个任务 {each} 张，并在处理器上计算。',
    advice: 'DeiT 的批大小是单个任务的图片数；要与之相同，请把批大小乘以 {count}。',
  },
  'slurm.gpus': {
    says: '每个节点申请 {count} 个 GPU，因为{reason}。',
    advice: '使用 --device cpu 则不申请。',
  },
  'slurm.no-gpus': {
    says: '不申请 GPU：设备为 auto，并且没有看到带 GPU 的分区。',
    advice: '需要时请使用 --device cuda。',
  },
  'job.cancelled': { says: '已取消。', advice: '需要时可以重新开始。' },
  internal: { says: '意外错误：{reason}。', advice: '请附上日志报告。' },
};
