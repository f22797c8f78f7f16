/** The English words of dropping and of the way to a first run. */
export const dataPage = {
  chooseArchive: 'Choose archive…',
  drop: 'A folder, a .tar or a .zip can be dropped here.',
  noPath:
    'A browser does not tell where a dropped folder lies. Choose it with “Choose folder…”, or paste its path; images are never uploaded.',
  recent: 'Recent',
  forget: 'Forget {path}',
  missing: '{path} (not there now)',
  notes: 'How the folder was read',
  reading: {
    choose: 'How the folder is to be read',
    read: 'Read {how}',
    said: 'Read as you chose: {how}.',
    undo: 'Read by its contents',
    classes: 'as classes',
    train: '{train} as train',
    splits: '{train} as train, {val} as val',
    labels: 'class numbers from {from}',
    list: 'labels from {list}',
    here: 'this folder',
    join: '{a}, {b}',
    set: 'as {set}',
    folders: 'by class folders',
    category: 'by {field}',
  },
  set: { label: 'Data set', found: 'recognised by its files', folders: 'class folders' },
  category: {
    label: 'Classes of iNaturalist',
    name: 'species',
    kingdom: 'kingdom',
    phylum: 'phylum',
    class: 'class',
    order: 'order',
    supercategory: 'supercategory',
    family: 'family',
    genus: 'genus',
  },
};

export const sampleRun = {
  title: 'Try it with the sample',
  about:
    'Gets the engine, the sample images and weights for a teacher, fine-tunes the teacher on them for 4 epochs, then distils a small DeiT from it.',
  engine: 'Engine to download',
  data: 'Sample images to download',
  teacher: 'Teacher weights to download',
  there: 'there already',
  begin: 'Start the sample run',
  beginBytes: 'Start the sample run ({size} to download)',
  steps: {
    engine: 'The engine',
    data: 'The sample images',
    weights: 'Weights for the teacher',
    teacher: 'The teacher trains: see Train',
    student: 'The student starts',
  },
};
