/** Pictures of pages: each a new file, so that none is ever overwritten. */
import { mkdir, writeFile } from 'node:fs/promises'
import { lookMs, maxPictureHeight } from '../limits.ts'
import { pictureFolder } from './chromium-launch.ts'
import { findElement } from './page-element.ts'
import type { Tab } from './tab-table.ts'
import { within } from './time-limit.ts'

interface Picture {
  readonly path: string
  readonly bytes: number
  readonly width: number
  readonly height: number
}

export async function takePicture(
  tab: Tab,
  { ref, fullPage }: { readonly ref: string; readonly fullPage: boolean },
  signal: AbortSignal,
): Promise<Picture> {
  const { page } = tab
  const options = { type: 'png', scale: 'css', animations: 'disabled', caret: 'hide', timeout: lookMs, signal } as const
  const take = async (): Promise<Buffer> => {
    if (ref !== '') return (await findElement(tab, ref)).screenshot(options)
    if (!fullPage) return page.screenshot(options)
    const { cssContentSize: size } = await tab.target.send('Page.getLayoutMetrics')
    const clip = { x: 0, y: 0, width: Math.min(size.width, maxPictureHeight), height: Math.min(size.height, maxPictureHeight) }
    return page.screenshot({ ...options, fullPage: true, clip })
  }
  const png = await within(lookMs + 1_000, take())
  await mkdir(pictureFolder, { recursive: true })
  // By the time, so that names sort; the clock in nanoseconds never gives one twice.
  const name = `${new Date().toISOString().replaceAll(/[:.]/g, '-')}-${process.hrtime.bigint().toString(36)}.png`
  const path = `${pictureFolder}/${name}`
  await writeFile(path, png, { flag: 'wx' })
  // PNG: width and height stand at fixed places (RFC 2083, 4.1.1).
  return { path, bytes: png.length, width: png.readUInt32BE(16), height: png.readUInt32BE(20) }
}
