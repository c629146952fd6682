/**
 * Looks at the person's workspace: what bounds its size, and which files in it run by themselves on the person's side. Agents may write
 * nearly everything there, and git, a shell, an editor or a package manager runs some files without being asked to.
 *
 * The folder is hostile: links are not followed, only plain files are read, and only their beginning.
 */
import { constants } from 'node:fs'
import { lstat, mkdir, mkdtemp, open, opendir } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import type { SandboxTier } from '../../protocol/index.ts'
import { removeFolders } from '../branches/branch-overlay.ts'
import { layerAt, mountOverlay } from '../branches/overlay.ts'
import { findDiskLimit } from '../disk.ts'
import { maxCopiedBytes } from '../limits.ts'
import { commandTimeoutMs, maxLookedAt, maxReadBytes, maxTold, startTimeoutMs } from './limits.ts'
import { type Attempt, ok, weak } from './tier-attempts.ts'

/** @param shared folder of the workspace that agents write */
export function workspaceAttempt(shared: string): Attempt {
  return {
    name: 'workspace',
    timeoutMs: startTimeoutMs,
    async run() {
      const { found, complete } = await findSelfRunning(shared)
      const rest = complete ? '' : ', and perhaps more'
      if (found.length === 0) return ok(`nothing in it runs by itself when you work there${rest}`)
      return weak(
        `runs by itself when you work there: ${found.join(', ')}${rest}`,
        'Look at these before you use git, a shell or an editor there.',
      )
    },
  }
}

/** @param shared folder of the workspace that agents write; `tmp` is next to it */
export function diskAttempt(shared: string, diskMb: number | null): Attempt {
  return {
    name: 'disk',
    timeoutMs: commandTimeoutMs,
    run() {
      const { inForce, missing } = findDiskLimit({ shared, tmp: join(dirname(shared), 'tmp') }, diskMb, null)
      const [text = ''] = [...missing, ...inForce].map((line) => line.replace(/^disk: /, ''))
      return Promise.resolve(
        missing.length === 0 ? ok(text) : weak(text, 'Set sandbox.disk = "image" and start as root: docs/isolation.md, “Disk”.'),
      )
    },
  }
}

/** @param shared folder of the workspace that agents write; an overlay over it is tried out next to it */
export function branchesAttempt(shared: string, tier: SandboxTier, searchPath: string): Attempt {
  return {
    name: 'branches',
    timeoutMs: commandTimeoutMs,
    async run() {
      const why = tier === 'process' ? await whyNoOverlay(shared, searchPath) : `the tier ${tier} shows folders of this machine as they are`
      if (why === '') return ok('overlays: a branch of files copies nothing')
      return weak(
        `copies of up to ${maxCopiedBytes / 1024 ** 3} GiB: ${why}`,
        'What is large and can be made again need not be in the workspace.',
      )
    },
  }
}

async function whyNoOverlay(shared: string, searchPath: string): Promise<string> {
  const draft = await mkdtemp(join(dirname(shared), 'tried-')).catch(() => null)
  if (draft === null) return 'the folder of the workspace cannot be written'
  try {
    const layer = layerAt(draft, 'shared', shared)
    for (const folder of [layer.upper, layer.work, layer.place]) await mkdir(folder)
    const tried = await mountOverlay([layer], searchPath)
    if (typeof tried === 'string') return tried
    tried.close()
    return ''
  } finally {
    await removeFolders(draft)
  }
}

interface SelfRunning {
  /** Names of at most `maxTold` files, each with what runs it. */
  readonly found: readonly string[]
  /** False where the workspace is larger than what is looked at. */
  readonly complete: boolean
}

/** Git runs what these keys name, also behind the head of their section: git-config(1). Blanks of one line alone: over lines, a file of empty ones would take minutes. */
const gitKeys =
  /^[ \t]*(?:\[[^\]\n]*\][ \t]*)?(?:(?:fsmonitor|hookspath|sshcommand|editor|pager|askpass|helper|clean|smudge|process|textconv|command|gpgprogram|program|path)[ \t]*=|\w+[ \t]*=[ \t]*!)/im

/** By the end of the path: what runs it, and which text makes it run; null for any. */
const kinds: readonly (readonly [path: RegExp, runBy: string, text: RegExp | null])[] = [
  [/(^|\/)\.git\/hooks\/[^/.]+$/, 'git', null],
  [/(^|\/)\.git\/(config|config\.worktree|modules\/.*config)$/, 'git', gitKeys],
  // Hooks and settings from another folder; and, with `objects` and `refs` next to it, a repository without any `.git`.
  [/\/\.git\/commondir$/, 'git', null],
  [/^(?!.*\/\.git\/).*\/HEAD$/, 'git, as a repository of its own', /^ref:|^[0-9a-f]{40}/],
  [/(^|\/)\.gitattributes$/, 'git', /\b(filter|diff|merge)=/],
  [/(^|\/)\.envrc$/, 'direnv', null],
  [/(^|\/)\.(bashrc|bash_profile|profile|zshrc|zshenv)$/, 'a shell, as a home folder', null],
  [/(^|\/)\.vscode\/tasks\.json$/, 'an editor', /folderOpen/],
  [/(^|\/)package\.json$/, 'npm install', /"(preinstall|install|postinstall|prepare)"\s*:/],
  [/(^|\/)\.npmrc$/, 'npm', /script-shell|node-options|ignore-scripts\s*=\s*false/],
]

/** @param folder on the host. Never rejects: what cannot be read is passed over. */
export async function findSelfRunning(folder: string): Promise<SelfRunning> {
  const found: string[] = []
  let left = maxLookedAt
  const look = async (at: string): Promise<void> => {
    const entries = await opendir(at).catch(() => null)
    if (entries === null) return
    for await (const entry of entries) {
      if ((left -= 1) < 0 || found.length >= maxTold) return
      const path = join(at, entry.name)
      if (entry.isDirectory()) {
        if (entry.name !== 'node_modules') await look(path)
      } else if (entry.isFile()) {
        const runBy = await whoRuns(path, `/${relative(folder, path)}`)
        // An agent may have chosen the name: it could contain a line that looks like one of ours.
        if (runBy !== null) found.push(`${relative(folder, path).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')} (${runBy})`)
      }
    }
  }
  await look(folder)
  return { found: found.toSorted(), complete: left >= 0 && found.length < maxTold }
}

async function whoRuns(path: string, inside: string): Promise<string | null> {
  const stats = await lstat(path).catch(() => null)
  if (stats !== null && (stats.mode & 0o6000) !== 0) return 'anybody, with the rights of its owner'
  const kind = kinds.find(([pattern]) => pattern.test(inside))
  if (kind === undefined) return null
  const [, runBy, text] = kind
  return text === null || text.test(await beginningOf(path)) ? runBy : null
}

async function beginningOf(path: string): Promise<string> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxReadBytes), 0, maxReadBytes, 0)
    return buffer.toString('latin1', 0, bytesRead)
  } catch {
    return ''
  }
}
