/**
 * Every reason that an error, a finding or a skipped file can give, by code. It stands in an error's parameters as
 * `{ code, params }`: the command line and logs say it in the English of this table, the window in its own language
 * (`src-renderer/i18n/reasons.*.ts`). A reason may hold another one as a parameter.
 *
 * To add one: "A reason" in docs/adding.md. Begin it lower-case and end it without a full stop: it stands within a sentence.
 */
export const REASONS = {
  // What the operating system says, by its error number.
  'os.gone': 'the file is gone',
  'os.no-folder': 'its folder does not exist',
  'os.denied': 'permission denied',
  'os.read-only': 'the disk is read-only',
  'os.in-the-way': 'a file is in its way',
  'os.folder-taken': 'a folder with other files is in its way',
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
  'os.denied-or-open': 'permission denied, or a program has it open',
  'os.windows-name': 'Windows allows no file or folder named "{name}"',
  'os.windows-path': 'the path has {count} characters, and Windows takes {most}',
  /** The words of the system or of a library, for which there is no code. */
  'raw.text': '{text}',

  // Slurm.
  'slurm.no-command': 'there is no command {command}',
  'slurm.device': 'the device is {device}',
  'slurm.partition-gpus': 'the device is auto and the partition {partition} has GPUs',

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
  'fetch.certificate-file': 'the file of certificates {path} cannot be read',
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

  // Files in general, beyond those above.
  'archive.deep': 'it is an archive in an archive in an archive; unpack one of them',
  'archive.compressed': 'it is compressed inside another archive; unpack that',
  'archive.encrypted': 'it is encrypted',
  'archive.method': 'it is compressed by method {method}; store or deflate it',
  'file.archive-short': 'the archive ends early',
  'file.archive-shrunk': 'the archive is shorter than it was',
  'file.archive-damaged': 'the archive is damaged',
  'file.not-utf8': 'it is not UTF-8 text: save it as UTF-8 (in Excel, “CSV UTF-8”)',
  'file.over-64-mib': 'it is larger than 64 MiB',
  'file.list-over-64-mib': 'the list is larger than 64 MiB',
  'file.over-256-kib': 'larger than 256 KiB',
  'file.within': '{file}: {why}',

  // Images.
  'image.same-other-class': 'the same as {file}, of the class {class}',
  'image.same': 'the same as {file}',

  // Data folders and lists of labels.
  'data.no-class-folders': '{file} holds no class folders',
  'data.no-images': '{file} holds no images',
  'data.without-val': 'without val images {classes}',
  'data.only-val': 'only in val, not used {classes}',
  'labels.no-list': 'expected a list of lists, got something else',
  'labels.other-classes': 'the classes of the data are not those of ImageNet',
  'labels.too-few-lists': 'it has {lists} lists, and there is image {number}',
  'labels.no-names': 'no image is named as ImageNet’s are, ILSVRC2012_val_00000001.JPEG',
  'labels.number': 'list {number} holds {got}, expected whole numbers from 0 to {last}',
  'labels.no-object': 'expected an object or a list, got something else',
  'labels.twice': 'number {number} is there twice',
  'labels.gap': 'its numbers do not count from 0 without a gap',
  'labels.entry': 'entry {key} names no number and class',
  'labels.lines': 'it has {lines} lines for {files} images',
  'labels.devkit': 'its numbers need meta.mat or map_clsloc.txt of the devkit beside it',

  // MATLAB files.
  'numpy.no-bytes': 'its images are no array of bytes',
  'numpy.elsewhere': 'its images are stored as text (Python 3, protocol 0 to 2); pickle it with protocol 3 or later',
  'set.key': 'it holds no list {key}',
  'set.rows': 'its list {key} has {got} entries for {expected} images',
  'set.label': 'image {row} has class {label}, and classes go from 0 to {last}',
  'set.pixels': 'its images are {shape} bytes, not N × 3072 (red, green and blue of 32 × 32)',
  'set.bytes': 'it has {bytes} bytes, which are no whole number of images of {each} bytes',
  'set.names': 'it names {got} classes, not {expected}',
  'set.names-twice': 'it names a class twice',
  'matlab.other': 'it is not a MATLAB file of level 5, written on this kind of machine',
  'matlab.no-variable': 'it has no variable {name}',
  'matlab.cut': 'the MATLAB file ends early',
  'matlab.damaged': 'its compressed part is damaged',
  'matlab.no-numbers': 'its variable {name} is no array of numbers',
  'matlab.no-texts': 'its variable {name} is no list of texts',
  'set.list-row': 'entry {row} of its {name} is {got}, and numbers go from 1 to {last}',
  'set.annotation': 'entry {row} of its annotations has no file name and class',
  'set.no-list': 'it is no list of categories',
  'set.category-id': 'category {at} has the number {id}, not its place in the list',
  'set.no-field': 'category {at} has no {field}',
  'set.file-name': 'image {row} has the file name "{file}", not FOLDER/GROUP/CATEGORY/FILE',
  'set.no-category': 'there is no category {category}; they go from 0 to {last}',
  'set.unseen': 'the image {key} is of {value}, which no training image is',
  'json.cut': 'it ends early',
  'json.element': 'an entry of it has more than {most} bytes',
  'matlab.no-structs': 'it is no struct array',
  'matlab.fields': 'it has {count} fields',
  'matlab.values': 'expected {expected} values of a struct array, got {got}',
  'matlab.numbers': 'numbers of type {type} are not read here',

  // Files as protocol buffers: ONNX and SavedModel.
  'onnx.no-graph': 'it is not an ONNX model: it has no graph',
  'onnx.empty-graph': 'it is not an ONNX model: its graph is empty',
  'saved-model.graphs': 'it has graphs for {tags} alone',
  'saved-model.no-graph': 'it has no graph',
  'saved-model.not-serving': 'it is not a SavedModel for serving: {has}',
  'protobuf.no-message': 'a number stands where a message is expected',
  'protobuf.name': 'a name is missing or too long',
  'protobuf.parts': 'it has too many parts',
  'protobuf.no-number': 'it is damaged: a field has no number',
  'protobuf.cut': 'it is cut off',
  'protobuf.type': 'it is damaged: a field has no known type',
  'protobuf.endless': 'it is damaged: a number does not end',

  // Pickles.
  'pickle.is': 'its pickle {what}',
  'pickle.line': 'its pickle has a line of over {most} bytes',
  'pickle.cut': 'its pickle ends early or is too long, at byte {position}',
  'pickle.operation': 'uses operation 0x{code}, which is not supported',
  'pickle.objects': 'holds too many objects',
  'pickle.operations': 'has more than {most} operations',
  'pickle.containers': 'holds too many containers',
  'pickle.empty-stack': 'takes from an empty stack',
  'pickle.mark': 'takes a mark for a value',
  'pickle.no-mark': 'looks for a mark that is not there',
  'pickle.no-tuple': 'calls without a tuple of arguments',
  'pickle.calls': 'calls {name}',
  'pickle.uncallable': 'calls what cannot be called',
  'pickle.no-text': 'names a global without text',
  'pickle.recall': 'recalls what it did not remember',
  'pickle.no-value': 'sets a key without its value',
  'pickle.no-dict': 'sets items of what is no dict',
  'pickle.no-list': 'appends to what is no list',
  'pickle.no-state': 'sets the state of what has none',
  'pickle.long-number': 'holds a number of {bytes} bytes',
  'pickle.number': 'holds a malformed number',
  'pickle.protocol': 'has protocol {version}, newer than 5',
  'pickle.no-named': 'calls without a dict of named arguments',
  'pickle.remember': 'remembers under a malformed number',
  'pickle.escapes': 'holds a text with escapes',

  // safetensors.
  'safetensors.brace': 'its header does not start with {',
  'safetensors.name-twice': 'its header names {name} twice',
  'safetensors.arrays': 'its header holds more than {most} arrays',
  'safetensors.after-end': 'its header goes on after its end, at byte {at}',
  'safetensors.metadata-twice': 'its metadata names {name} twice',
  'safetensors.texts': 'its metadata holds more than {most} texts',
  'safetensors.key': 'array {name} has an unexpected or repeated {key}',
  'safetensors.lacks': 'array {name} lacks its dtype, shape or two data_offsets',
  'safetensors.backwards': 'array {name} ends before it begins',
  'safetensors.list': 'its header has a list of more than {most} numbers',
  'safetensors.number': 'its header has the number {digits}, beyond 2^53',
  'safetensors.text': 'its header has a malformed text at byte {start}',
  'safetensors.at': 'its header at byte {at}: expected {expected}, got {got}',
  'safetensors.header-long': 'its header claims {bytes} bytes, more than {most}',
  'safetensors.header-beyond': 'its header claims {bytes} bytes, the file has {left} after the length',
  'safetensors.gap': 'array {name} starts at byte {begin}, expected {expected}: a gap or an overlap',
  'safetensors.short': 'its arrays need {needed} bytes, the file has {has}',
  'safetensors.rest': '{bytes} bytes after its arrays belong to none',
  'safetensors.dtype': 'array {name} has the unsupported type {dtype}',
  'safetensors.rank': 'array {name} has rank {rank}, more than {most}',
  'safetensors.span': 'array {name} spans {bytes} bytes, its type and shape need {needed}',

  // Parts of files, which may end beyond the end of the file.
  'part.beyond': '{part} ends beyond the end of the file ({size} bytes)',
  'part.header-length': 'the header length',
  'part.index': 'the index',
  'part.storage': 'its storage {key}',
  'part.zip64': 'its zip64 directory',
  'part.zip': 'its zip directory',
  'part.zip-entry': 'the zip entry {name}',
  'part.whole-number': 'a whole number',
  'part.end': 'its end',

  // Weights in several files.
  'shards.large': 'it has {bytes} bytes, more than {most}',
  'shards.deep': 'it is nested deeper than an index of weights',
  'shards.no-file': 'it names {file}, which is no file beside it',
  'shards.files': 'it names more than {most} files',
  'shards.none': 'it names no weights',
  'shards.no-map': 'it has no weight_map',
  'shards.lacks': '{file} lacks {name}, which the index says it holds',
  'shards.surplus': '{file} holds {name}, which the index does not say',

  // torch.
  'torch.big-endian': 'it was written by a big-endian machine',
  'torch.pickle': 'its pickle has {bytes} bytes, more than {most}',
  'torch.no-pickle': 'it is a zip archive, but not one of torch: it holds no data.pkl',
  'torch.script': 'it is a TorchScript program, not a weight file',
  'torch.no-storage': 'it refers to no storage',
  'torch.storage': 'it refers to a malformed storage',
  'torch.no-size': 'its storage {key} has no size',
  'torch.missing': 'its storage {key} is missing',
  'torch.bytes': 'its storage {key} has {bytes} bytes, expected {expected}',
  'torch.magic': 'its magic number is not that of torch',
  'torch.protocol': 'its protocol is {version}, expected {expected}',
  'torch.two-ways': 'its storage {key} is described in two ways',
  'torch.view': 'a view on its storage {key} lies outside it',
  'torch.no-list': 'its list of storages is missing',
  'torch.other-list': 'its list of storages is not the one it uses',
  'torch.elements': 'its storage {key} has {count} elements, expected {expected}',
  'torch.cut': 'it is cut short: its storage {key} ends beyond its end',
  'torch.kind': 'it holds tensors of an unsupported kind, {name}',
  'torch.no-type': 'a tensor in it has no type',
  'torch.parameter': 'a parameter in it is no tensor',
  'torch.pairs': 'a dict in it is not made of pairs',
  'torch.tensor-storage': 'a tensor in it has no storage',
  'torch.strides': 'a tensor in it has {sides} sides and {strides} strides',
  'torch.outside': 'a tensor in it lies outside its storage of {size}',
  'torch.claims': 'a tensor in it claims {count} elements',
  'torch.no-number': 'a tensor in it has a side, stride or offset that is no size',
  'torch.build': 'a tensor in it is made in a way that is not known',
  'torch.no-name': 'a tensor in it has no name',

  // Weight files of any kind.
  'weights.neither': 'it is no weight file of a known format (known: {formats})',
  'weights.whole': 'the whole file',
  'weights.no-state-dict': 'it does not hold a state dict',
  'weights.no-average': 'it holds no moving average of the model',
  'weights.as-asked': 'as it was asked for',
  'weights.as-said': '{source} says so',
  'weights.as-fits': 'its arrays fit no other network here',
  'weights.as-nearest': 'its arrays are nearest to it',
  'match.given': 'by the names that were given',
  'match.told': 'by the names that {source} tells',
  'match.order': 'in their order by code point, as torchvision has it: {order}',
  'match.imagenet': 'by the synsets of ImageNet-1k',
  'match.number': 'by number, counted from 0',
  'match.index': 'by number, as {source} counts',
  'weights.no-head': 'it has no layer that tells classes apart',
  'weights.dtype': '{name} holds {dtype} numbers, expected floating-point ones',
  'weights.not-finite': '{name} holds values that are not finite',
  'weights.lacks': 'it lacks {name} [{shape}]',

  // zip.
  'zip.directory-beyond': 'its zip directory lies beyond its end',
  'zip.cut': 'it is cut short: the zip directory at its end is missing',
  'zip.zip64': 'its zip64 directory is malformed',
  'zip.claims': 'its zip directory claims {count} entries in {bytes} bytes',
  'zip.twice': 'its zip directory names {name} twice',
  'zip.directory': 'its zip directory is malformed',
  'zip.encrypted': 'its entry {name} is encrypted',
  'zip.elsewhere': 'its zip entry {name} is not where it should be',
  'zip.other-name': 'its zip entry {name} is called otherwise in its own header',
  'zip.overlap': 'its zip entry {name} runs into what follows it',
  'zip.sizes': 'its zip entry {name} is stored with two different sizes',
  'zip.bomb': 'its zip entry {name} claims {bytes} bytes from {packed}: a zip bomb',
  'zip.method': 'its zip entry {name} uses the unsupported compression {method}',
  'zip.short': 'its zip entry {name} has {bytes} bytes, fewer than needed',
  'zip.again': 'its zip entry {name} would be inflated again and again: a zip bomb',
  'zip.inflate': 'its zip entry {name} cannot be inflated',
  'zip.length': 'its zip entry {name} is not as long as it claims',

  // The profiler's records.
  'profile.unread': 'what the profiler recorded cannot be read',
  'profile.collect': 'it could not collect what was recorded',
  'profile.write': 'it could not write what was recorded',
  'profile.platform': 'TensorFlow offers its profiler on Linux and macOS only',

  // Systems without an engine.
  'platform.intel-mac': 'TensorFlow is no longer made for Intel Macs; use Linux on it, also in a virtual machine',
  'platform.windows-arm': 'TensorFlow was never made for Windows on ARM; use Stillhouse inside WSL 2 there',
  'platform.musl':
    'TensorFlow needs glibc, and this Linux has musl; use a distribution or a container with glibc, as Debian',
  'platform.other': 'TensorFlow is not made for it',
  'platform.made-for': 'it is made for {platform}',

  // Downloads.
  'download.pinned': '{file} is not what was pinned',
  'download.busy': 'another Stillhouse is downloading it right now',
  'index.lacks': 'the package index does not offer {file}',
  'index.unknown': 'which package index is the usual one is not known; set PIP_INDEX_URL',
  'download.registry': '{package} {version} is not what was pinned; the registry serves other bytes',
  'download.no-npm': 'npm was not found; it comes with Node.js',
  'download.npm': 'npm ended with code {code}',

  // Processes and threads.
  'process.gone': 'it is gone',
  'process.killed': 'killed by {signal}',
  'process.killed-memory': 'killed by {signal}; if nobody did that, the system ran out of memory',
  'process.exit': 'exit code {code}',
  'process.windows': 'Windows ended it with {code}, {name}',
  'process.ended': 'the system ended it',
  'process.last-words': '{how}: {words}',
  'process.held': '{how}; it held {bytes}',
  'thread.code': 'its thread ended with code {code}',
  'thread.data': 'a thread of the data pipeline ended with code {code}',
  'thread.data-ended': 'the threads of the data pipeline have ended',
  'thread.closed': 'it was closed',

  // Engines and GPUs.
  'cuda.fits': 'driver {driver} and the GPUs here take {plugin}',
  'cuda.only': '{plugin} is the one for this system',
  'cuda.unseen':
    'no NVIDIA driver is seen; {plugin} is for driver {driver} or later and compute capability {capability} or later',
  'cuda.driver': 'driver {driver} is older than {needed}, which {plugin} needs',
  'cuda.capability': '{name} has compute capability {capability}, and {plugin} needs {needed}',
  'cuda.other-system': 'it is made for {platform}',
  'gpu.none-shown': 'it shows no GPU',
  'gpu.silent': '{program} says nothing',
  'gpu.never-tried': 'it was never tried',
  'gpu.found': 'it found {count} GPUs when it was last tried',
  'engine.backend': 'tfjs refused the backend',
  'engine.product': 'a product came out as {got}',
  'device.memory': 'the accelerator has too little ({why})',
  'device.memory-says': '{how}; {says}',
  'device.memory-shared': 'by its compiler the step needs {total} of {limit}, so something else uses it too',
  'device.memory-batch': 'by its compiler the step needs {total} of {limit}, and {batch} images fit',
  'plugin.missing': 'it is not installed',
  'plugin.blind': 'it sees no device ({why})',
  'plugin.devices': '{plugin} sees {count} devices',
  'pjrt.no-plugin': '{file} is not a PJRT plugin',
  'pjrt.version': 'the plugin speaks PJRT {got}; 0.81 or a later 0.x is needed',
  'pjrt.lacks': 'the plugin has no {name}',
  'engine.no-lowering': 'it has no lowering for accelerators',

  // Teachers.
  'teacher.type': 'it answers in {type}, not in float32',

  // Runs, checkpoints, evaluations.
  'checkpoint.other': 'it is not a checkpoint of Stillhouse',
  'checkpoint.header': "its header is not a checkpoint's ({why})",
  'checkpoint.content': 'its content is not what was saved',
  'evaluation.names': 'its metadata lacks names',
  'evaluation.images': '{name} is not of {count} images',
  'evaluation.no-head': 'no head has answered',
  'evaluation.class': 'it names a class that there is not',
  'evaluation.no-class': 'there is no class {name}',
  'evaluation.unnamed': '{folders} folders, and the model has {classes} classes without names',
  'run.not-json': 'run.json is not JSON',
  'run.not-object': 'run.json is not an object',
  'run.format': 'run.json has format {format}, expected 1',
  'run.no-created': 'run.json lacks created',
  'run.no-classes': 'run.json lacks its list of classes',
  'run.no-recipe': 'run.json lacks its recipe',
  'run.lacks': 'run.json lacks {key}',
  'value.wrong': '{name}: expected {expected}, got {got}',

  // What is expected of a value.
  'value.policy': 'empty, or text such as rand-m9-mstd0.5-inc1 (or {names})',
  'value.two-shares': 'empty, or two shares such as 0.2 0.8',
  'answers.budget': 'they would take more than the space they may have',
  'answers.decisions': 'of {count} images it decides otherwise for {other}',
  'answers.logits': 'of {count} numbers one is off by {difference}',
  'value.few-images': 'off where an epoch has less than a batch of images',
  'value.batch-norm': 'at least 2 images, or larger ones, for batch normalization',
  'value.model-such': 'a model such as {names}',
  'value.above-0': 'a whole number above 0',
  'rank.closed': 'its connection ended',
  'rank.silent': 'it says nothing any more',
  'rank.strange': 'it says what no rank says',
  'rank.secret': 'it does not know the secret of the run',
  'rank.version': 'it is of another version',
  'rank.size': 'it counts the ranks otherwise',
  'rank.taken': 'another has its number',
  'rank.classes': 'classes',
  'rank.train': 'training images',
  'rank.val': 'validation images',
  'rank.count': '{theirs} {what}, not {ours}',
  'rank.files': 'the {what} differ at {file} or soon after it',
  'value.ranks-batch': 'a multiple of {count}, the ranks that share it',
  'value.ranks-even': 'an even number of images for each of {count} ranks, which mixing pairs',
  'value.ranks-once': 'off where several ranks train',
  'value.ranks-started': 'as many ranks as were started ({count}); --nproc starts several here',
  'value.node-list': 'a list of machines such as node[1-4],login',
  'value.dist-url': 'env:// or tcp://host:port',
  'value.multiple': 'a multiple of {patch} for {model}',
  'value.below-1': 'a number from 0 and below 1',
  'value.rates': 'one share from 0 to 1, or two of which the second is greater, like 0.4 0.9',
  'value.one-input': 'one input of float32 or uint8 images, [B, 3, S, S] or [B, S, S, 3]',
  'value.one-output': 'one output of float32 scores, [B, classes]',
  'value.signature': 'a signature named {name}',
  'value.serving': 'a signature named serving_default',
  'value.named': '{what}, named {name}',
  'value.layout': '{layout} images, as its card says',
  'value.channels': 'images of three channels',
  'value.squares': 'square images',
  'value.side': 'images of side {side}, as its card says',
  'value.output-names': '{count} names, one for each output',
  'value.card': 'a card',
  'value.over-64-mib': 'a file of more than 64 MiB',
  'value.class': 'a class of the data',
  'value.root-path': 'a path from the root',
  'value.bce': '0 with binary cross-entropy',
  'value.plateau': 'off for plateau',
  'value.no-attention': 'off for a network without attention',
  'value.distilled': 'on for distillation',
  'value.not-distilled': 'off for distillation',
  'value.one-token': 'off for a network with one class token',
  'value.one-answer': 'off without train mode, and with co-trained submodels',
  'value.processor': 'auto or float32 on this processor, which cannot multiply {precision} fast',
  'value.processor-limit': 'auto or float32 while {name} is {limit}, with which oneDNN cannot multiply {precision}',
  'value.no-tf32': 'another precision: {device} has no TF32, or computes by way of TensorFlow',
  'value.waiting': 'at most {count} waiting runs',
  'value.scores': 'scores [{count}, {width}] for {images} images',
  'value.images-tensor': 'a tensor named images, or one alone in {path}',
  'value.images-shape': 'images of shape [B, 3, H, W]',
  'value.network': 'a network of stillhouse weights',
  'value.no-job-number': 'a folder without %j, the number that a scheduler gives a job',
  'value.address': 'https://… (http on this machine alone) or hf_hub:owner/name',
  'value.between': 'a whole number from {min} to {max}',
  'value.number-between': 'a number from {min} to {max}',
  'value.true-false': 'true or false',
  'value.one-of': 'one of {choices}',
  'value.text': 'text',
  'value.options-only': 'options only',
  'value.one-line': 'a text of one line',
  'value.sbatch': 'options of sbatch as --name=value, but for those that the form has',
  'recipe.no-settings': 'it names no settings, like epochs: 300',

  // A list of names.
  'list.both': '{one}; {other}',
  'list.quote-open': 'a quotation mark is not closed',
  'list.quote-after': 'something stands behind a closing quotation mark',
  'list.quote-inside': 'a quotation mark stands inside a word',
  'list.no-label': 'there is no label',
  'file.bytes-damaged': 'its compressed bytes are damaged',
  'engine.windows-error': 'Windows answered with error {code}',
  'engine.other-loaded': 'another one is already loaded, from {folder}',
  'value.no-splits': 'no splits beside {set}, which has its own',
  'value.reading':
    'classes, train=FOLDER,val=FOLDER, labels=0, labels=1, list=FILE, set=NAME or category=FIELD, with commas between',
  'value.nothing-stored': 'nothing, since none is stored',
  'value.card-logits': 'logits, which a network of the list answers',
  'value.lists': 'lists of {names}, each once: {files}',
  'value.preset': 'a preset',
  'value.study-own': 'nothing, since a study gives it to each run itself',
  'value.once-each': 'each only once',
  'study.teachers': 'two teachers or more (--teachers NETWORK=FILE,…)',
  'study.teacher': 'a teacher (--teacher-model, --teacher-path)',
  'study.models': 'two networks or more (--models NAME,NAME)',
  'study.data': 'data folders to transfer to (--data DIR,DIR)',
  'study.finetune': 'weights to start from (--finetune)',
  'study.epochs': 'two lengths or more (--lengths N,N)',
  'study.grid': 'settings with two values or more (--grid KEY=VALUE,VALUE)',
  'study.twins': 'a network that exists without and with a distillation token; {model} does not',
  'value.number': 'a number',
  'value.numbers': 'numbers',
  'value.texts': 'texts',
  'value.code': 'a code',
  'value.object': 'an object',
  'value.path-or-id': 'a path or an id',
  'value.columns': 'columns of equal length',
  'value.card-field': 'one of the fields {names}',
  'value.the-file': 'the file',
  'value.of': '{name}: {expected}',
  'value.export-formats': 'formats with commas between them, of {choices}',
  'value.export-average': 'the model: without the average of weights there is no other to export',
  'value.export-network': 'formats without {format}, in which {model} cannot be written',
  'value.device': 'auto, cpu, cuda:0, cuda:0,1 or pjrt:rocm:0 …',
  'evaluation.unknown': 'unknown ({count}): {names}',
} as const satisfies Record<string, string>;

export type ReasonCode = keyof typeof REASONS;
export type ReasonValue = string | number | Reason;

/**
 * Explains why something is as it is, as plain data. Its code may be one of another version, which is not known here.
 */
export interface Reason {
  code: ReasonCode;
  params: Record<string, ReasonValue>;
}

type Names<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;
type ParamsOf<Code extends ReasonCode> =
  Names<(typeof REASONS)[Code]> extends never ? [] : [params: Record<Names<(typeof REASONS)[Code]>, ReasonValue>];

/** Makes a reason with all parameters of its text: `reason('os.silent', { seconds: 30 })`. */
export function reason<Code extends ReasonCode>(code: Code, ...[params]: ParamsOf<Code>): Reason {
  return { code, params: params ?? {} };
}

/** Tells whether a parameter is a reason. */
export function isReason(value: unknown): value is Reason {
  return typeof value === 'object' && value !== null && 'code' in value && 'params' in value;
}

/**
 * Says a reason in the words of `table`. Files of earlier versions hold reasons as text, which is returned unchanged; a
 * reason from a later version comes as its code and parameters.
 */
export function reasonText(value: ReasonValue, table: Record<ReasonCode, string>): string {
  if (!isReason(value)) return String(value);
  const say = (inner: ReasonValue): string => reasonText(inner, table);
  if (!Object.prototype.hasOwnProperty.call(table, value.code))
    return [value.code, ...Object.values(value.params).map(say)].join(' ');
  return fillWith(table[value.code], value.params, say);
}

/** Says a reason in English. */
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
 * Finds the reason in a thrown value: its own one, that of its error number, or its text. `meaning` overrules the usual
 * meaning of an error number, such as ENOENT where a folder was read.
 */
export function reasonIn(error: unknown, meaning: Record<string, ReasonCode & `os.${string}`> = {}): Reason {
  if (error instanceof ReasonError) return error.reason;
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  const known = typeof code === 'string' ? (meaning[code] ?? OF_SYSTEM[code]) : undefined;
  // os.silent is thrown as a ReasonError; an error number leads to reasons without parameters alone.
  if (known) return { code: known, params: {} };
  return reason('raw.text', { text: typeof message === 'string' ? message : String(error) });
}
