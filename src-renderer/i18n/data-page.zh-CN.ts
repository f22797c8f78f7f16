import type { dataPage as enData, sampleRun as enSample } from './data-page.en.ts';

/** 拖放与首次训练的文字。 */
export const dataPage: typeof enData = {
  chooseArchive: '选择归档…',
  drop: '可将文件夹、.tar 或 .zip 拖到这里。',
  noPath: '浏览器不会告知拖入的文件夹在哪里。请用“选择文件夹…”选取，或粘贴其路径；图片从不上传。',
  recent: '最近使用',
  forget: '忘记 {path}',
  missing: '{path}（当前不存在）',
  notes: '文件夹的读取方式',
  reading: {
    choose: '选择文件夹的读取方式',
    read: '{how}读取',
    said: '按您的选择：{how}读取。',
    undo: '按内容读取',
    classes: '作为类别',
    train: '以 {train} 为训练集',
    splits: '以 {train} 为训练集、{val} 为验证集',
    labels: '类别编号从 {from} 起',
    list: '按列表 {list} 的标签',
    here: '此文件夹',
    join: '{a}，{b}',
    set: '按 {set} 数据集',
    folders: '按类别文件夹',
    category: '以{field}为类别',
  },
  set: { label: '数据集', found: '按文件识别', folders: '类别文件夹' },
  category: {
    label: 'iNaturalist 的类别',
    name: '物种',
    kingdom: '界',
    phylum: '门',
    class: '纲',
    order: '目',
    supercategory: '大类',
    family: '科',
    genus: '属',
  },
};

export const sampleRun: typeof enSample = {
  title: '用示例试一试',
  about: '获取引擎、示例图片与教师的初始权重，先用这些图片微调教师 4 轮，再由它蒸馏一个小型 DeiT。',
  engine: '需下载的引擎',
  data: '需下载的示例图片',
  teacher: '需下载的教师权重',
  there: '已经具备',
  begin: '开始示例训练',
  beginBytes: '开始示例训练（需下载 {size}）',
  steps: {
    engine: '引擎',
    data: '示例图片',
    weights: '教师的初始权重',
    teacher: '训练教师：见“训练”页',
    student: '启动学生训练',
  },
};
