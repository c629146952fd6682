/**
 * Brings what was unpacked beside a folder into it. First all is looked at: what stands in the way refuses the whole. Then each
 * file takes its place by a rename; only what somebody else changes in between can leave a part of it done.
 */
import { lstat, mkdir, readdir, rename } from 'node:fs/promises'
import { failed } from '../failure.ts'
import { renameToFree, syncFolder } from '../files/place-file.ts'
import type { Place } from '../files/workspace-path.ts'

interface Step {
  /** Path below both folders. */
  readonly path: string
  readonly kind: 'folder' | 'file' | 'link'
  readonly taken: boolean
}

/** @param target a folder that exists. @throws the failure `tool_failed` or `path_refused`; then nothing was moved */
export async function mergeFolder(staged: string, target: Place, overwrite: boolean): Promise<void> {
  const steps = await planSteps(staged, target, overwrite, '')
  for (const { path, kind, taken } of steps) {
    const to = `${target.real}/${path}`
    if (kind === 'folder') {
      if (!taken) await mkdir(to)
    } else if (taken || kind === 'link') await rename(`${staged}/${path}`, to)
    else await renameToFree(`${staged}/${path}`, to)
  }
  await syncFolder(target.real)
}

async function planSteps(staged: string, target: Place, overwrite: boolean, below: string): Promise<Step[]> {
  const steps: Step[] = []
  for (const entry of await readdir(`${staged}/${below}`, { withFileTypes: true })) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    const kind = entry.isDirectory() ? 'folder' : entry.isSymbolicLink() ? 'link' : 'file'
    const there = await lstat(`${target.real}/${path}`).catch(() => null)
    const shown = `${target.virtual}/${path}`
    if (there !== null && there.isDirectory() !== (kind === 'folder')) {
      throw failed('path_refused', `${shown} is in the way: only one of the two is a folder. Nothing was unpacked.`, 'Unpack elsewhere.')
    }
    if (there !== null && kind !== 'folder' && !overwrite) {
      throw failed('tool_failed', `${shown} already exists. Nothing was unpacked.`, 'Unpack elsewhere, or pass overwrite to replace files.')
    }
    steps.push({ path, kind, taken: there !== null })
    if (kind === 'folder') steps.push(...(await planSteps(staged, target, overwrite, path)))
  }
  return steps
}
