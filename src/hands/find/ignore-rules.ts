/**
 * Which files a search leaves out, as ripgrep decides it: `.rgignore` before `.ignore` before, within a git repository,
 * `.gitignore` and `.git/info/exclude`. Of several files of one kind the deepest says, of several lines in a file the last.
 * Files above the workspace do not count; there is no file for all repositories in a sandbox.
 */
import { maxIgnoreBytes, maxIgnoreRules, maxPatternCharacters } from '../limits.ts'
import { openRegularFile, type Place, type Root } from '../files/workspace-path.ts'
import { globSource } from './pattern.ts'

interface Rule {
  readonly pattern: RegExp
  /** False for a line that begins with `!`: what fits is kept. */
  readonly ignores: boolean
  readonly onlyFolders: boolean
}

const kinds = ['.rgignore', '.ignore', '.gitignore', '.git/info/exclude'] as const
/** Kinds from here on hold only within a repository. */
const firstGitKind = 2

/** The rules that hold in a folder: its own, and those of the folders above it. */
export interface IgnoreLayer {
  readonly virtual: string
  readonly above: IgnoreLayer | null
  /** By kind, in the order of `kinds`. */
  readonly rules: readonly (readonly Rule[])[]
  /** A repository begins here: rules for git that stand above do not hold. */
  readonly repository: boolean
  /** No rule holds here, so that nothing needs to be asked. */
  readonly empty: boolean
}

export type Verdict = 'ignored' | 'kept' | null

/** @param names what stands in the folder: files that are not there are not looked for */
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

/** @param path below the folder of the layer. @returns null when no rule says anything. */
export function verdictOf(layer: IgnoreLayer, path: string, isFolder: boolean): Verdict {
  for (const kind of kinds.keys()) {
    if (kind >= firstGitKind && !inRepository(layer)) return null
    for (let at: IgnoreLayer | null = layer; at !== null; at = at.above) {
      const verdict = lastThatFits(at.rules[kind]!, path.slice(at.virtual.length + 1), isFolder)
      if (verdict !== null) return verdict
      if (kind >= firstGitKind && at.repository) break
    }
  }
  return null
}

function inRepository(layer: IgnoreLayer | null): boolean {
  return layer !== null && (layer.repository || inRepository(layer.above))
}

function lastThatFits(rules: readonly Rule[], path: string, isFolder: boolean): Verdict {
  const rule = rules.findLast((each) => (isFolder || !each.onlyFolders) && each.pattern.test(path))
  if (rule === undefined) return null
  return rule.ignores ? 'ignored' : 'kept'
}

/** Reads at most `maxIgnoreBytes`; what cannot be read says nothing. */
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

/** An escaped space stays. */
function withoutSpacesAtEnd(line: string): string {
  let end = line.length
  while (line[end - 1] === ' ' && line[end - 2] !== '\\') end -= 1
  return line.slice(0, end)
}

/** @returns null for a blank line, a comment, and a line that means nothing. */
function parseRule(line: string): Rule | null {
  if (line.startsWith('#') || line.length > maxPatternCharacters) return null
  const glob = withoutSpacesAtEnd(line).replace(/^!/, '')
  // To git three stars and more are two where they are a whole part of the path; ripgrep takes them for one.
  const path = glob.replace(/\/$/, '').replace(/(?<![^/])\*{3,}(?![^/])/g, '**')
  if (path === '') return null
  // A slash anywhere but at the end ties the rule to its folder; without one it holds at any depth.
  const source = path.includes('/') ? globSource(path.replace(/^\//, ''), false) : `(?:.*/)?${globSource(path, false)}`
  try {
    return { pattern: new RegExp(`^${source}$`, 's'), ignores: !line.startsWith('!'), onlyFolders: glob.endsWith('/') }
  } catch {
    return null
  }
}
