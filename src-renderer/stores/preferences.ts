import { defineStore } from 'pinia';
import { computed, ref, watch, type Ref } from 'vue';
import { isRecord, isTextList, keep, readKept } from '../composables/kept.ts';

export const THEMES = ['system', 'light', 'dark', 'contrast'] as const;
export const LOCALES = ['en', 'zh-CN'] as const;
export const X_AXES = ['step', 'epoch', 'time'] as const;
export const MOTIONS = ['system', 'reduced'] as const;
export type Theme = (typeof THEMES)[number];
export type Locale = (typeof LOCALES)[number];
export type XAxis = (typeof X_AXES)[number];
export type Motion = (typeof MOTIONS)[number];
/** Keys that a person has bound, by command; an empty list is a command without a key. */
export type OwnKeys = Readonly<Record<string, readonly string[]>>;

interface Kept {
  theme: Theme;
  locale: Locale;
  xAxis: XAxis;
  /** Weight of the moving average, 0 to 0.999; applied while `smooth` is on. */
  smoothing: number;
  smooth: boolean;
  allSettings: boolean;
  /** Tell of runs that end while the window is not looked at. */
  notify: boolean;
  /** Let the machine not sleep while it trains. */
  keepAwake: boolean;
  motion: Motion;
  keys: OwnKeys;
}

/** Holds how the window looks and reads: theme, language and chart habits, kept between starts. */
export const usePreferences = defineStore('preferences', () => {
  const kept = readKept('preferences', {}, isRecord);
  const theme = ref(oneOf(THEMES, kept['theme'], 'system'));
  const locale = ref(oneOf(LOCALES, kept['locale'], preferredLocale()));
  const xAxis = ref(oneOf(X_AXES, kept['xAxis'], 'step'));
  const smoothing = ref(typeof kept['smoothing'] === 'number' ? Math.min(0.999, Math.max(0, kept['smoothing'])) : 0.6);
  const smooth = ref(kept['smooth'] !== false);
  const allSettings = ref(kept['allSettings'] === true);
  const notify = ref(kept['notify'] !== false);
  const keepAwake = ref(kept['keepAwake'] !== false);

  const motion = ref(oneOf(MOTIONS, kept['motion'], 'system'));
  const keys = ref<OwnKeys>(isRecord(kept['keys']) ? keptKeys(kept['keys']) : {});

  const systemDark = media('(prefers-color-scheme: dark)');
  const systemContrast = media('(prefers-contrast: more)');
  /** The system has colours of its own, which stand above any theme. */
  const forced = media('(forced-colors: active)');
  /** High contrast comes in light and in dark, as the system has it. */
  const dark = computed(() => {
    const own = !forced.value && (theme.value === 'light' || theme.value === 'dark');
    return own ? theme.value === 'dark' : systemDark.value;
  });
  const contrast = computed(
    () => theme.value === 'contrast' || forced.value || (theme.value === 'system' && systemContrast.value),
  );
  /** Changes whenever a colour does: what draws on a canvas draws anew. */
  const look = computed(() => `${dark.value ? 'dark' : 'light'}${contrast.value ? ' contrast' : ''}`);

  watch([theme, locale, xAxis, smoothing, smooth, allSettings, notify, keepAwake, motion, keys], () =>
    keep('preferences', {
      theme: theme.value,
      locale: locale.value,
      xAxis: xAxis.value,
      smoothing: smoothing.value,
      smooth: smooth.value,
      allSettings: allSettings.value,
      notify: notify.value,
      keepAwake: keepAwake.value,
      motion: motion.value,
      keys: keys.value,
    } satisfies Kept),
  );
  return {
    theme,
    locale,
    xAxis,
    smoothing,
    smooth,
    allSettings,
    notify,
    keepAwake,
    motion,
    keys,
    dark,
    contrast,
    look,
  };
});

function oneOf<Choice extends string>(choices: readonly Choice[], value: unknown, fallback: Choice): Choice {
  return choices.find((choice) => choice === value) ?? fallback;
}

function preferredLocale(): Locale {
  return typeof navigator !== 'undefined' && /^zh\b/i.test(navigator.language ?? '') ? 'zh-CN' : 'en';
}

/** Whether a media query holds, as it changes. */
function media(text: string): Ref<boolean> {
  const holds = ref(false);
  if (typeof matchMedia === 'function') {
    const query = matchMedia(text);
    holds.value = query.matches;
    query.addEventListener('change', () => (holds.value = query.matches));
  }
  return holds;
}

function keptKeys(kept: Record<string, unknown>): OwnKeys {
  return Object.fromEntries(Object.entries(kept).filter((entry): entry is [string, string[]] => isTextList(entry[1])));
}
