/**
 * The files of a random series, and whose each line is: every line that anybody writes is like no other. One folder is the person's own,
 * which agents see at times and at times not.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export const linesOfAFile = 6
/** Over the limit of a pack. */
const padding = 'x'.repeat(120_000)
/** Of the person. */
const project = 'project'

export interface SeriesFiles {
  readonly shared: string
  readonly names: readonly string[]
  read(name: string): string | null
  /** All files, by name. */
  all(): ReadonlyMap<string, string | null>
  /** The lines of all files, also of those that were brought back where the folder of the person is away. */
  tokens(): ReadonlySet<string>
  put(name: string, text: string | null): void
  /** @returns the file with somebody's new line, or somebody's new file */
  changed(name: string, at: number, who: string): string
  /** Whether agents do not see it. */
  isAway(name: string): boolean
  /** Agents see the folder of the person from now on, or no longer. */
  comeOrGo(): string
  /** The person changes a file, or removes it. */
  person(name: string, at: number, removes: boolean): void
  /** The file in which a line was written. */
  writtenIn(token: string): string
  /** @throws AssertionError for a line of the person that is neither there nor in a version */
  assertNothingLost(folder: string): void
}

/** @returns the lines of a text that somebody has written */
export function tokensOf(text: string | null): readonly string[] {
  return [...(text ?? '').matchAll(/\b[A-Z][\dx]{0,20}-\d+\./g)].map(([token]) => token)
}

/** @param at names the series: each has files of its own in one workspace */
export function createSeriesFiles(root: string, at: string): SeriesFiles {
  const shared = join(root, 'shared')
  const away = join(root, 'away')
  mkdirSync(shared, { recursive: true })
  const folder = `${project}${at}`
  const names = [
    ...['a.txt', 'b.txt', 'src/c.txt', '.env', 'skipped/d.txt', 'big.txt', '.git/index', 'src/.git/HEAD'].map((name) => `${at}/${name}`),
    `${folder}/e.txt`,
    `${folder}/lib/.env`,
  ]
  /** Lines of the person that nobody but them has overwritten. */
  const owned = new Set<string>()
  const writtenIn = new Map<string, string>()
  let written = 0
  const isAway = (name: string): boolean => name.startsWith(`${folder}/`) && existsSync(join(away, folder))
  const real = (name: string): string => join(isAway(name) ? away : shared, name)
  const textAt = (path: string): string | null => (existsSync(path) ? readFileSync(path, 'utf8') : null)
  const read = (name: string): string | null => textAt(real(name))
  const put = (name: string, text: string | null): void => {
    mkdirSync(dirname(real(name)), { recursive: true })
    if (text === null) rmSync(real(name), { force: true })
    else writeFileSync(real(name), text)
  }
  const changed = (name: string, line: number, who: string): string => {
    const fresh = (): string => {
      const token = `${who}-${(written += 1)}.`
      writtenIn.set(token, name)
      return token
    }
    const now = read(name)
    const lines = now?.split('\n') ?? Array.from({ length: linesOfAFile * 2 }, (_, i) => (i % 2 === 0 ? fresh() : 'kept'))
    if (now === null) return `${lines.join('\n')}${name.endsWith('big.txt') ? padding : ''}\n`
    return lines.map((text, i) => (i === line * 2 ? fresh() : text)).join('\n')
  }
  return {
    shared,
    names,
    read,
    all: () => new Map(names.map((name) => [name, read(name)])),
    tokens: () => new Set(names.flatMap((name) => [...tokensOf(read(name)), ...tokensOf(textAt(join(shared, name)))])),
    put,
    changed,
    isAway,
    comeOrGo() {
      const [from, to] = existsSync(join(away, folder)) ? [away, shared] : [shared, away]
      if (!existsSync(join(from, folder))) return 'the person has no folder yet'
      // What is below it would not be seen, so that `folder add` refuses.
      if (to === shared && names.some((name) => name.startsWith(`${folder}/`) && existsSync(join(shared, name))))
        return 'the folder of the person cannot come'
      rmSync(join(to, folder), { recursive: true, force: true })
      mkdirSync(to, { recursive: true })
      renameSync(join(from, folder), join(to, folder))
      return `the folder of the person ${to === shared ? 'comes' : 'goes'}`
    },
    person(name, line, removes) {
      for (const token of tokensOf(read(name))) owned.delete(token)
      put(name, removes ? null : changed(name, line, 'P'))
      for (const token of tokensOf(read(name))) if (token.startsWith('P-')) owned.add(token)
    },
    writtenIn: (token) => writtenIn.get(token)!,
    assertNothingLost(versions) {
      const kept = names.map((name) => read(name) ?? '').join('\n')
      const missing = [...owned].filter((token) => !kept.includes(token))
      if (missing.length === 0) return
      const history = historyOf(versions, at)
      for (const token of missing) assert.ok(history.includes(token), `${token} of the person is in no version`)
    },
  }
}

/** Everything that a version has of a series. */
function historyOf(folder: string, at: string): string {
  const git = (args: readonly string[], input = ''): string =>
    execFileSync('git', ['--git-dir', folder, ...args], { encoding: 'utf8', input, maxBuffer: 1 << 30 })
  const objects = git(['rev-list', '--objects', 'HEAD', '--', `shared/${at}`, `shared/${project}${at}`])
    .split('\n')
    .map((row) => row.slice(0, 40))
    .join('\n')
  const large = existsSync(join(folder, 'large'))
    ? readdirSync(join(folder, 'large')).map((name) => readFileSync(join(folder, 'large', name), 'utf8'))
    : []
  return [git(['cat-file', '--batch', '--buffer'], objects), ...large].join('\n')
}
