/**
 * Finds the changes of a machine in a folder since the last time, and copies them to a staging folder on the host, as numbered files:
 * nothing is applied yet. The machine may be hostile: names, sizes and counts are checked first.
 */
import { createHash } from 'node:crypto'
import { mkdtemp, open } from 'node:fs/promises'
import { join } from 'node:path'
import { isOxbowError, OxbowError } from '../../base/index.ts'
import { maxSurveyEntries, type Hands, type SurveyedEntry } from '../../protocol/index.ts'
import { importPieceBytes, importRequestMs, importsAtOnce } from '../limits.ts'

/** By path, a text that changes with the entry. */
type Stamps = ReadonlyMap<string, string>

export interface TakenEntry {
  readonly path: string
  readonly kind: 'file' | 'folder' | 'link'
  /** As in TreeEntry. */
  readonly content: string
  readonly executable: boolean
  readonly modifiedMs: number
  /** Of a file: path of its copy. */
  readonly staged: string
}

export interface TakenChanges {
  /** New or changed, folders before their contents. */
  readonly entries: readonly TakenEntry[]
  /** All existing paths. */
  readonly paths: ReadonlySet<string>
  /** Folders that are unreadable in the machine. */
  readonly closed: readonly string[]
  readonly stamps: Stamps
  /** Whether anything differs from the last time. */
  readonly hasChanges: boolean
}

/** @param inside the folder of the machine @throws OxbowError `sandbox_failed` when its reply is inconsistent; what hands throw */
export async function surveyMachine(hands: Hands, inside: string, signal: AbortSignal): Promise<readonly SurveyedEntry[]> {
  const input = { path: inside, maxEntries: maxSurveyEntries }
  const { entries, truncated } = await hands.ask('survey', input, { signal, timeoutMs: importRequestMs })
  if (truncated) throw refused(`more than ${maxSurveyEntries} files and folders`)
  const kinds = new Map<string, SurveyedEntry['kind']>()
  for (const { path, kind } of entries) {
    if (!isPlain(path)) throw refused('a path that leaves the folder')
    if (kinds.has(path)) throw refused('a duplicate path')
    const slash = path.lastIndexOf('/')
    if (slash !== -1 && kinds.get(path.slice(0, slash)) !== 'folder') throw refused('an entry without its folder')
    kinds.set(path, kind)
  }
  return entries
}

export function stampsOf(entries: readonly SurveyedEntry[]): Stamps {
  return new Map(entries.map((entry) => [entry.path, stampOf(entry)]))
}

/** @param folder in which the staging folder is created; the caller removes it. @throws as surveyMachine does */
export async function takeChanges(
  hands: Hands,
  inside: string,
  previous: Stamps,
  folder: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<TakenChanges> {
  const survey = await surveyMachine(hands, inside, signal)
  const stamps = new Map(stampsOf(survey))
  const different = survey.filter((entry) => previous.get(entry.path) !== stamps.get(entry.path))
  const budget = { left: maxBytes }
  const taken = new Map<string, TakenEntry>()
  const files = different.filter(({ kind }) => kind === 'file')
  const staging = await mkdtemp(join(folder, 'files-'))
  let next = 0
  const takeSome = async (): Promise<void> => {
    for (let i = next++; i < files.length; i = next++) {
      const file = files[i]!
      const staged = join(staging, String(i))
      const content = await takeFile(hands, `${inside}/${file.path}`, staged, budget, signal)
      // An unreadable file is retried the next time.
      if (content === null) stamps.delete(file.path)
      else taken.set(file.path, { ...factsOf(file), kind: 'file', content, staged })
    }
  }
  await Promise.all(Array.from({ length: importsAtOnce }, takeSome))
  const entries = different.flatMap((entry): TakenEntry[] => {
    const file = taken.get(entry.path)
    if (file !== undefined) return [file]
    if (entry.kind === 'folder') return [{ ...factsOf(entry), kind: 'folder', content: '', staged: '' }]
    return entry.kind === 'link' ? [{ ...factsOf(entry), kind: 'link', content: entry.target, staged: '' }] : []
  })
  const closed = survey.filter(({ kind }) => kind === 'closed').map(({ path }) => path)
  const hasChanges = different.length > 0 || survey.length !== previous.size
  return { entries, paths: new Set(survey.map(({ path }) => path)), closed, stamps, hasChanges }
}

/** @returns the hash of the file; null if it is unreadable. */
async function takeFile(hands: Hands, path: string, staged: string, budget: { left: number }, signal: AbortSignal): Promise<string | null> {
  const hash = createHash('sha256')
  const file = await open(staged, 'wx', 0o600)
  try {
    for (let offset = 0; ;) {
      const input = { path, offset, maxBytes: importPieceBytes }
      const { content } = await hands.ask('bytes', input, { signal, timeoutMs: importRequestMs })
      if (content.length === 0) return hash.digest('hex')
      if ((budget.left -= content.length) < 0) throw refused('more than its disk can hold')
      hash.update(content)
      await file.write(content)
      offset += content.length
      if (content.length < importPieceBytes) return hash.digest('hex')
    }
  } catch (error) {
    if (isOxbowError(error, 'not_found') || isOxbowError(error, 'path_refused') || isOxbowError(error, 'tool_failed')) return null
    throw error
  } finally {
    await file.close()
  }
}

function factsOf({ path, executable, modifiedMs }: SurveyedEntry): Pick<TakenEntry, 'path' | 'executable' | 'modifiedMs'> {
  return { path, executable, modifiedMs }
}

function stampOf({ kind, executable, stamp, target }: SurveyedEntry): string {
  return [kind, executable, stamp, target].join(' ')
}

/** Relative, and unambiguous. */
function isPlain(path: string): boolean {
  if (path.includes('\0')) return false
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && Buffer.byteLength(part) <= maxNameBytes)
}

/** Maximum length of a file name on Linux (NAME_MAX). */
const maxNameBytes = 255

function refused(why: string): OxbowError {
  return new OxbowError('sandbox_failed', `The micro VM reported an invalid workspace: ${why}.`, {
    hint: 'Nothing was copied to the host; the changes are still on the disk of the micro VM.',
  })
}
