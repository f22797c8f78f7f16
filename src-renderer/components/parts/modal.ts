import { onBeforeUnmount, onMounted, type ShallowRef } from 'vue';

/** Opens a dialog over the window for as long as its component lives, and gives the focus back afterwards. */
export function useModal(element: Readonly<ShallowRef<HTMLDialogElement | null>>): void {
  const before = document.activeElement;
  onMounted(() => element.value?.showModal());
  onBeforeUnmount(() => {
    if (element.value?.open) element.value.close();
    if (before instanceof HTMLElement && before.isConnected) before.focus();
  });
}
