/**
 * Which files a search leaves out, as ripgrep decides it: `.rgignore` before `.ignore` before, within a git repository, `.gitignore` and
 * `.git/info/exclude`. Of several files of one kind the deepest decides, of several lines in a file the last. Files above the workspace are
 * not read, and a sandbox has no global ignore file.
 */
import { maxIgnoreBytes, maxIgnoreRules, maxPatternCharacters } from '../limits.ts'
import { openRegularFile, type Place, type Root } from '../files/workspace-path.ts'
import { globSource } from './pattern.ts'

interface Rule {
  readonly pattern: RegExp
  /** False for a line that begins with `!`: what matches is kept. */
  readonly ignores: boolean
  readonly onlyFolders: boolean
}

const kinds = ['.rgignore', '.ignore', '.gitignore', '.git/info/exclude'] as const
/** Kinds from this index on apply only within a repository. */
const firstGitKind = 2

/** The rules that apply in a folder: its own, and the rules of the folders above it. */
export interface IgnoreLayer {
  readonly virtual: string
  readonly above: IgnoreLayer | null
  /** By kind, in the order of `kinds`. */
  readonly rules: readonly (readonly Rule[])[]
  /** A repository begins here: git rules of folders above do not apply. */
  readonly repository: boolean
  /** No rule applies here, so matching can be skipped. */
  readonly empty: boolean
}

export type Verdict = 'ignored' | 'kept' | null

/** @param names the folder's entries: ignore files that are not among them are not opened */
export async function enterLayer(
  roots: readonly Root[],
  folder: Place,
  names: ReadonlySet<string>,
  above: IgnoreLayer | null,
): Promise<IgnoreLayer> {
  const rules = await Promise.all(
    kinds.map(async (kind) => (names.has(kind.split('/')[0]!) ? parseRules(await readRules(roots, `${folder.virtual}/${kind}`)) : [])),
  )
  const empty = (above?.empty ?? true) && rules.every((each) => each.length === 0)
  return { virtual: folder.virtual, above, rules, repository: names.has('.git'), empty }
}

/** @param path below the folder of the layer. @returns null when no rule matches. */
export function verdictOf(layer: IgnoreLayer, path: string, isFolder: boolean): Verdict {
  for (const kind of kinds.keys()) {
    if (kind >= firstGitKind && !inRepository(layer)) return null
    for (let at: IgnoreLayer | null = layer; at !== null; at = at.above) {
      const verdict = lastMatch(at.rules[kind]!, path.slice(at.virtual.length + 1), isFolder)
      if (verdict !== null) return verdict
      if (kind >= firstGitKind && at.repository) break
    }
  }
  return null
}

function inRepository(layer: IgnoreLayer | null): boolean {
  return layer !== null && (layer.repository || inRepository(layer.above))
}

function lastMatch(rules: readonly Rule[], path: string, isFolder: boolean): Verdict {
  const rule = rules.findLast((each) => (isFolder || !each.onlyFolders) && each.pattern.test(path))
  if (rule === undefined) return null
  return rule.ignores ? 'ignored' : 'kept'
}

/** Reads at most `maxIgnoreBytes`; an unreadable file has no rules. */
async function readRules(roots: readonly Root[], path: string): Promise<string> {
  const opened = await openRegularFile(roots, path).catch(() => null)
  if (opened === null) return ''
  try {
    const buffer = Buffer.alloc(Math.min(opened.stats.size, maxIgnoreBytes))
    const { bytesRead } = await opened.file.read(buffer, 0, buffer.length, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } catch {
    return ''
  } finally {
    await opened.file.close()
  }
}

function parseRules(text: string): readonly Rule[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/, maxIgnoreRules)
  return lines.flatMap((line) => parseRule(line) ?? [])
}

/** Keeps an escaped space. */
function withoutSpacesAtEnd(line: string): string {
  let end = line.length
  while (line[end - 1] === ' ' && line[end - 2] !== '\\') end -= 1
  return line.slice(0, end)
}

/** @returns null for a blank line, a comment, or an invalid line. */
function parseRule(line: string): Rule | null {
  if (line.startsWith('#') || line.length > maxPatternCharacters) return null
  const glob = withoutSpacesAtEnd(line).replace(/^!/, '')
  // For git, three or more stars are `**` if they are a whole path component; for ripgrep they are `*`.
  const path = glob.replace(/\/$/, '').replace(/(?<![^/])\*{3,}(?![^/])/g, '**')
  if (path === '') return null
  // A slash anywhere but at the end anchors the rule to its folder; without one it matches at any depth.
  const source = path.includes('/') ? globSource(path.replace(/^\//, ''), false) : `(?:.*/)?${globSource(path, false)}`
  try {
    return { pattern: new RegExp(`^${source}$`, 's'), ignores: !line.startsWith('!'), onlyFolders: glob.endsWith('/') }
  } catch {
    return null
  }
}
