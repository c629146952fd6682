/**
 * The folder that sandboxes show read-only as `/skills`: one folder for each skill, with the bytes that were judged. It is a copy, so
 * nothing that happens to a skill's own folder afterwards changes it.
 */
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { createRecentMap, OxbowError } from '../base/index.ts'
import type { SkillFile } from '../config/index.ts'
import { maxHeldSkills } from './limits.ts'

export interface ShownSkills {
  /** Replaces what is shown under the name, unless that has the same hash. @returns its folder on the host @throws OxbowError `bad_input` for a path that leads out */
  show(name: string, hash: string, files: readonly SkillFile[]): Promise<string>
}

/** @returns the folder that is shown, below one that agents do not see */
export function shownFolder(cacheFolder: string): string {
  return join(cacheFolder, 'skills')
}

export function openShownSkills(cacheFolder: string): ShownSkills {
  const folder = shownFolder(cacheFolder)
  const shown = createRecentMap<string, string>(maxHeldSkills)
  const running = new Map<string, Promise<string>>()
  const put = async (name: string, hash: string, files: readonly SkillFile[]): Promise<string> => {
    const target = join(folder, name)
    if (shown.get(name) === hash) return target
    await mkdir(folder, { recursive: true })
    // Drafts are next to the folder, where no sandbox sees them.
    const draft = await mkdtemp(join(cacheFolder, 'skill-draft-'))
    try {
      const made = join(draft, 'new')
      await writeFiles(made, files)
      await rename(target, join(draft, 'old')).catch(ignoreMissing)
      await rename(made, target)
      shown.put(name, hash)
      return target
    } finally {
      await rm(draft, { recursive: true, force: true })
    }
  }
  return {
    show(name, hash, files) {
      if (!/^[\p{L}\p{N}\p{M}][\p{L}\p{N}\p{M}._-]{0,150}$/u.test(name)) throw badPath(name)
      const next = (running.get(name) ?? Promise.resolve('')).catch(() => '').then(() => put(name, hash, files))
      running.set(name, next)
      return next.finally(() => {
        if (running.get(name) === next) running.delete(name)
      })
    },
  }
}

async function writeFiles(folder: string, files: readonly SkillFile[]): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o755 })
  for (const { path, executable, content } of files) {
    if (!isBelow(path)) throw badPath(path)
    const target = join(folder, path)
    await mkdir(dirname(target), { recursive: true, mode: 0o755 })
    await writeFile(target, content, { mode: 0o644, flag: 'wx' })
    // `mode` is subject to the umask, and hands may have another user.
    await chmod(target, executable ? 0o755 : 0o644)
  }
}

/** Paths come from hands, which may be hostile. */
function isBelow(path: string): boolean {
  const parts = path.split('/')
  return (
    path !== '' &&
    posix.normalize(path) === path &&
    !path.includes('\0') &&
    parts.every((part) => part !== '' && part !== '..' && part !== '.')
  )
}

function badPath(path: string): OxbowError {
  return new OxbowError('bad_input', `${JSON.stringify(path.slice(0, 200))} cannot be the path of a file of a skill.`, {
    hint: 'Rename the file or the skill.',
  })
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}
