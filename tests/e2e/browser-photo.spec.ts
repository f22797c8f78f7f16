import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeTinyData } from '../helpers/tiny-data.ts';
import { accessibilityFaults } from './axe.ts';
import { expect, test } from './fixtures.ts';
import { Workbench } from './workbench.ts';

const FAKE_CAMERA = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];
test.use({
  launchOptions: async ({ launchOptions }, use) => {
    await use({ ...launchOptions, args: [...(launchOptions.args ?? []), ...FAKE_CAMERA] });
  },
});

test('a photo is dropped, pasted and taken', async ({ app, home, page }) => {
  const bench = new Workbench(app);
  const data = makeTinyData(join(home, 'images'));
  await bench.openData(data);
  await bench.main.getByRole('heading', { name: '3 classes' }).waitFor();
  await bench.startTiny(1);
  await bench.reaches('Finished');
  await bench.go('Evaluate');
  await bench.main.getByText('Try a photo').click();
  const seen = bench.main.getByRole('img', { name: 'What the network sees' });
  const shown = () => seen.getAttribute('src');
  const image = (name: string) => readFileSync(join(data, 'val', name, `${name}-0.png`)).toString('base64');
  /** Gives the page an image as the browser would after a drop or a paste. */
  const give = (kind: 'drop' | 'paste', base64: string) =>
    page.evaluate(
      ([kind, base64]) => {
        const carried = new DataTransfer();
        const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
        carried.items.add(new File([bytes], 'photo.png', { type: 'image/png' }));
        const how = { bubbles: true, cancelable: true };
        const event =
          kind === 'drop'
            ? new DragEvent('drop', { ...how, dataTransfer: carried })
            : new ClipboardEvent('paste', { ...how, clipboardData: carried });
        document.querySelector(kind === 'drop' ? '.drop' : 'body')!.dispatchEvent(event);
        return event.defaultPrevented;
      },
      [kind, base64] as const,
    );
  let before: string | null = null;
  const answered = async (): Promise<void> => {
    await expect.poll(shown).not.toBe(before);
    before = await shown();
    await expect(bench.main.getByRole('region', { name: 'Decision' }).getByRole('listitem')).toHaveCount(3);
    await expect(bench.main.getByRole('alert')).toHaveCount(0);
  };

  await test.step('dropped', async () => {
    expect(await give('drop', image('amber'))).toBe(true);
    await answered();
  });

  await test.step('pasted', async () => {
    expect(await give('paste', image('blue'))).toBe(true);
    await answered();
  });

  await test.step('what is no image is said to be none', async () => {
    await give('drop', Buffer.from('no image at all').toString('base64'));
    await expect(bench.main.getByRole('alert')).toBeVisible();
    await give('drop', image('clay'));
    await answered();
  });

  const video = bench.main.locator('video');
  await test.step('taken by the camera', async () => {
    await bench.main.getByRole('button', { name: 'Camera' }).click();
    await expect.poll(() => video.evaluate((element: HTMLVideoElement) => element.videoWidth)).toBeGreaterThan(0);
    await bench.main.getByRole('button', { name: 'Take image' }).click();
    await answered();
    expect(await accessibilityFaults(page)).toEqual([]);
    const stream = await video.evaluateHandle((element: HTMLVideoElement) => element.srcObject as MediaStream);
    await bench.go('Data');
    expect(await stream.evaluate((media) => media.getTracks().map(({ readyState }) => readyState))).toEqual(['ended']);
  });

  await test.step('a camera that fails says why, in both languages', async () => {
    await bench.go('Evaluate');
    await bench.main.getByText('Try a photo').click();
    const say = async (name: string): Promise<string> => {
      await page.evaluate((name) => {
        navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('as the browser says', name));
      }, name);
      await bench.main.getByRole('button', { name: /^(Camera|摄像头)$/ }).click();
      return bench.main.getByRole('alert').innerText();
    };
    expect(await say('NotFoundError')).toContain('No camera was found');
    expect(await say('NotAllowedError')).toContain('The camera was refused');
    expect(await say('NotReadableError')).toContain('in use by another program');
    expect(await say('TypeError')).toBe('The camera cannot be used: as the browser says');
    await page.getByLabel('Language').selectOption('zh-CN');
    expect(await say('NotAllowedError')).toContain('摄像头被拒绝使用');
  });
});
