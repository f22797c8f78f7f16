import { PRESETS } from '../../src-main/protocol/presets.ts';
import { FIELDS, flagOf } from '../../src-main/protocol/recipe.ts';
import { describeKey } from '../components/shell/keys.ts';
import type { Entry } from '../components/shell/palette.ts';
import { describeField } from '../i18n/fields.ts';
import { formatPercent } from '../i18n/format.ts';
import type { OwnKeys } from '../stores/preferences.ts';
import { keysOf } from './bindings.ts';
import type { Context } from './context.ts';
import { titleOf, type Translate } from './menu.ts';
import { COMMANDS } from './table.ts';

interface Words {
  t: Translate;
  locale: string;
  /** The same in English, by which everything is found as well. */
  english: Translate;
}

const plain = { key: '', reason: '', on: false };

/** Lists the entries of the palette: the commands, then runs, presets and settings of the recipe. */
export function entriesOf(now: Context, own: OwnKeys, browser: boolean, words: Words): Entry[] {
  return [
    ...commandEntries(now, own, browser, words),
    ...runEntries(now, words),
    ...presetEntries(now, words),
    ...settingEntries(now, words),
  ];
}

function commandEntries(now: Context, own: OwnKeys, browser: boolean, { t, english }: Words): Entry[] {
  // The palette does not offer itself.
  return COMMANDS.filter(({ id }) => id !== 'palette').map((command) => {
    const key = keysOf(command, own, browser)[0];
    const reason = command.blocked?.(now);
    return {
      id: `command-${command.id}`,
      kind: 'command',
      title: titleOf(command, t),
      detail: t(`commands.groups.${command.group}`),
      words: `${titleOf(command, english)} ${command.id}`,
      key: key ? describeKey(key) : '',
      reason: reason ? t(reason.key, reason.params) : '',
      on: command.on?.(now) ?? false,
      act: () => command.act(now),
    };
  });
}

function runEntries({ run, go }: Context, { t, locale }: Words): Entry[] {
  return run.list.map(({ id, model, teacher, state, bestAcc1, tags, note }) => ({
    ...plain,
    id: `run-${id}`,
    kind: 'run',
    title: id,
    detail: [t(`state.${state}`), bestAcc1 === null ? '' : formatPercent(bestAcc1, locale)].filter(Boolean).join(' · '),
    words: [model, teacher, ...tags, note].join(' '),
    act: () => {
      go('train');
      return run.open(id);
    },
  }));
}

function presetEntries({ recipe, go }: Context, { t, english }: Words): Entry[] {
  return PRESETS.map(({ id, task }) => ({
    ...plain,
    id: `preset-${id}`,
    kind: 'preset',
    title: t(`presets.${id}.name`),
    detail: t(`recipe.tasks.${task}`),
    words: `${english(`presets.${id}.name`)} ${id}`,
    act: () => {
      recipe.usePreset(id);
      go('recipe');
    },
  }));
}

function settingEntries({ overlay, go }: Context, { locale }: Words): Entry[] {
  return FIELDS.map((field) => ({
    ...plain,
    id: `setting-${field.key}`,
    kind: 'setting',
    title: describeField(field, locale).label,
    detail: `--${flagOf(field.key)}`,
    words: `${field.label} ${field.key}`,
    act: () => {
      overlay.jump = { to: 'field', key: field.key };
      go('recipe');
    },
  }));
}
