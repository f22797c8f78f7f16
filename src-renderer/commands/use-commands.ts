import { computed, onBeforeUnmount, onMounted, watch, type Ref } from 'vue';
import { useI18n } from 'vue-i18n';
import { MAC, isField, isTypedKey, keyOf } from '../components/shell/keys.ts';
import { VIEWS, type ViewName } from '../components/shell/views.ts';
import { useNotices } from '../stores/notices.ts';
import { commandOf, keysOf } from './bindings.ts';
import { useContext } from './context.ts';
import { menuOf, titleOf } from './menu.ts';
import { COMMANDS, type Command } from './table.ts';

/** Hears the keys of the window and its native menu, and does what the table says. */
export function useCommands(view: Readonly<Ref<ViewName>>) {
  const { t } = useI18n();
  const now = useContext();
  const notices = useNotices();
  const { preferences, system } = now;

  const perform = (command: Command): void => {
    const reason = command.blocked?.(now);
    if (!reason) return void command.act(now);
    notices.tell('commands.refused', { command: titleOf(command, t), reason: t(reason.key, reason.params) });
  };
  const isUnder = (): boolean => document.querySelector('dialog[open]') !== null;
  const onKey = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || isUnder()) return;
    const key = keyOf(event);
    const command = key ? commandOf(key, preferences.keys, system.browser) : null;
    if (!command || (command.only && command.only !== view.value)) return;
    if (isTypedKey(key) && isField(event.target)) return;
    event.preventDefault();
    if (!event.repeat) perform(command);
  };
  const byId = (id: string): Command | null => COMMANDS.find((command) => command.id === id) ?? null;
  const onMenu = (id: string): void => {
    const command = byId(id);
    if (command && !isUnder()) perform(command);
  };

  onMounted(() => {
    window.addEventListener('keydown', onKey);
    system.onMenu(onMenu);
  });
  onBeforeUnmount(() => window.removeEventListener('keydown', onKey));

  const keyOfCommand = (id: string): string => {
    const command = byId(id);
    return (command && keysOf(command, preferences.keys, system.browser)[0]) ?? '';
  };
  if (!system.browser) {
    const menu = computed(() => JSON.stringify(menuOf(now, preferences.keys, MAC, t)));
    watch(menu, (text) => system.setMenu(JSON.parse(text) as ReturnType<typeof menuOf>), { immediate: true });
  }
  const viewKeys = computed(
    () => Object.fromEntries(VIEWS.map((name) => [name, keyOfCommand(`go-${name}`)])) as Record<ViewName, string>,
  );
  return {
    /** The first key of a command; '' for none. */
    keyOf: keyOfCommand,
    viewKeys,
    perform: onMenu,
  };
}
