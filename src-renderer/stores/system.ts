import { defineStore } from 'pinia';
import { ref, shallowRef } from 'vue';
import type { Folder, ModelCard, SystemInfo } from '../../src-main/protocol/data-types.ts';
import type { MenuPart } from '../../src-main/protocol/host.ts';
import type { Connection } from '../client/connect.ts';
import { useNotices } from './notices.ts';
import { latest } from '../composables/latest.ts';
import { useService } from '../composables/use-service.ts';

/** A question that the window's own picker answers where the shell has no native dialog. */
export interface PickRequest {
  /** Another for each question. */
  id: number;
  kind: 'folder' | 'file';
  extensions: string[];
  start: string;
  answer: (path: string | null) => void;
}

/** The machine, the connection to it, and what the shell can do. */
export const useSystem = defineStore('system', () => {
  const service = useService();
  const notices = useNotices();
  const info = shallowRef<SystemInfo | null>(null);
  const models = shallowRef<ModelCard[]>([]);
  const connection = ref<Connection>(service.connection);
  const picking = shallowRef<PickRequest | null>(null);
  const { host } = service.shell;

  const readings = latest();
  const refresh = async (): Promise<void> => {
    await readings.ask(
      () => Promise.all([service.call('system.info', {}), service.call('models.list', {})]),
      ([machine, cards]) => {
        info.value = machine;
        models.value = cards;
      },
      notices.fail,
    );
  };
  let asked = 0;
  const ask = (kind: PickRequest['kind'], extensions: string[], start: string): Promise<string | null> =>
    new Promise((resolve) => {
      picking.value?.answer(null);
      picking.value = {
        id: ++asked,
        kind,
        extensions,
        start,
        answer: (path) => {
          picking.value = null;
          resolve(path);
        },
      };
    });

  service.onConnection((now) => (connection.value = now));
  service.onFault(notices.fail);
  service.onOpen(() => void refresh());
  return {
    info,
    models,
    connection,
    picking,
    refresh,
    /** A browser keeps keys for itself and has no native menu. */
    browser: host === null,
    canShowFile: host !== null,
    reloadToReconnect: service.shell.reloadToReconnect,
    pickFolder: (start = ''): Promise<string | null> => (host ? host.pickFolder() : ask('folder', [], start)),
    pickFile: (extensions: string[], start = ''): Promise<string | null> =>
      host ? host.pickFile(extensions) : ask('file', extensions, start),
    /** Where what was dropped lies; '' in a browser, which does not tell. */
    pathOf: (file: File): string => host?.pathOf(file) ?? '',
    showFile: (path: string): Promise<void> => host?.showFile(path) ?? Promise.resolve(),
    browse: (path?: string): Promise<Folder> => service.call('system.browse', path ? { path } : {}),
    imageUrl: (id: string): string => service.shell.imageUrl(id),
    setMenu: (parts: MenuPart[]): void => host?.setMenu(parts),
    onMenu: host ? host.onMenu.bind(host) : (): void => undefined,
    retry: (): void => (service.shell.reloadToReconnect ? window.location.reload() : service.retry()),
  };
});
