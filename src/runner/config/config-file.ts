/**
 * Configuration files as they are saved. Whoever changes some holds the home's lock, has read them under it, and replaces all or none: what is
 * to be written stands in a file of the runner first, from which the next one that reads goes on after a crash.
 */
import { chownSync, existsSync, lstatSync, readdirSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { isAlive, isObject, type JsonObject, OxbowError, parseObject, writeWhole } from '../../base/index.ts'
import type { ConfigChange } from '../../config/index.ts'
import { asOwner } from '../file-owner.ts'
import { checkConfigChange, parseToml, readConfigFile } from './config-text.ts'
import { movesOf, versionOf } from './config-versions.ts'
import { changeText } from './toml-change.ts'
import type { Home } from '../home.ts'
import { maxKeptConfigBytes } from '../limits.ts'

/** A file with the text that it had when the change was thought of, and the one that it gets. */
export interface ConfigWrite {
  readonly file: string
  readonly before: string
  readonly text: string
}

const whatFor = 'the configuration'
const lockOf = ({ runner }: Pick<Home, 'runner'>): string => join(runner, 'config')
const leftPath = ({ runner }: Pick<Home, 'runner'>): string => join(runner, 'config-change.json')

/**
 * Replaces all of the files, or no file.
 * @throws OxbowError `bad_config` that names the lines of a text that cannot be used, or why a file cannot be written; `edit_mismatch` where a
 * file is not as it was
 */
export function replaceConfigs(home: Home, writes: readonly ConfigWrite[]): void {
  for (const { file, before, text } of writes) checkConfigChange(file, before, text)
  underLock(home, () => {
    for (const { file, before } of writes) if ((readConfigFile(file) ?? '') !== before) throw changedMeanwhile(file)
    writeAll(
      home,
      writes.filter(({ before, text }) => before !== text),
    )
  })
}

/** Changes several keys at once, or none. @returns whether the file changed @throws OxbowError `bad_config` */
export function changeFile(home: Home, file: string, changes: readonly ConfigChange[]): boolean {
  return underLock(home, () => {
    const before = readConfigFile(file) ?? ''
    const text = changeText(file, movedText(file, before), changes)
    checkConfigChange(file, before, text)
    if (text !== before) writeAll(home, [{ file, before, text }])
    return text !== before
  })
}

/** @returns the text in another version of the configuration; as it is where it is no TOML, or says nothing of another version */
export function movedText(file: string, text: string, to?: number): string {
  const moves = movesIn(file, text, to)
  return moves.length === 0 ? text : changeText(file, text, moves)
}

/** @returns what moves a text; nothing of one that is no TOML, which a person is told of elsewhere */
export function movesIn(file: string, text: string, to?: number): readonly ConfigChange[] {
  try {
    return movesOf(parseToml(file, text) as JsonObject, to)
  } catch {
    return []
  }
}

function changedMeanwhile(file: string): OxbowError {
  return new OxbowError('edit_mismatch', `${file} has changed in the meantime.`, {
    hint: 'Load it again, and make your changes once more.',
  })
}

function underLock<Result>(home: Home, work: () => Result): Result {
  return asOwner(lockOf(home), whatFor, () => {
    finishLeft(home)
    return work()
  })
}

/** Finishes a change that a crash has left between two files. Costs one look where none is left. */
export function finishLeftChange(home: Pick<Home, 'runner'>): void {
  if (existsSync(leftPath(home))) asOwner(lockOf(home), whatFor, () => finishLeft(home))
}

function writeAll(home: Home, writes: readonly ConfigWrite[]): void {
  if (writes.length > 1) writeWhole(leftPath(home), JSON.stringify({ writes }))
  const done: ConfigWrite[] = []
  try {
    for (const write of writes) {
      keepMoved(write)
      replaceFile(write.file, write.text)
      done.push(write)
    }
  } catch (error) {
    // A full disk, or a file that cannot be written: no file is changed.
    for (const { file, before } of done) replaceFile(file, before)
    rmSync(leftPath(home), { force: true })
    throw error
  }
  if (writes.length > 1) rmSync(leftPath(home), { force: true })
}

/** What a file was before it is moved to another version. */
function keepMoved({ file, before, text }: ConfigWrite): void {
  const [from, to] = [versionIn(file, before), versionIn(file, text)]
  if (before !== '' && from !== null && to !== null && from !== to) replaceFile(`${linkedFile(file)}.version-${from}`, before)
}

/** Null for a text that is no TOML. */
function versionIn(file: string, text: string): number | null {
  try {
    return versionOf(parseToml(file, text) as JsonObject)
  } catch {
    return null
  }
}

function finishLeft(home: Pick<Home, 'runner'>): void {
  if (!existsSync(leftPath(home))) return
  const found = parseObject(readConfigFile(leftPath(home), maxKeptConfigBytes) ?? '')?.['writes']
  for (const write of Array.isArray(found) ? found : []) {
    if (!isObject(write)) continue
    const { file, before, text } = write
    // What somebody has written since stays.
    if (typeof file !== 'string' || typeof text !== 'string' || (readConfigFile(file) ?? '') !== before) continue
    keepMoved({ file, before, text })
    replaceFile(file, text)
  }
  rmSync(leftPath(home), { force: true })
}

/** Replaces the file at once. A link stays a link. @throws OxbowError `bad_config` */
function replaceFile(path: string, text: string): void {
  try {
    const target = linkedFile(path)
    const found = lstatSync(target, { throwIfNoEntry: false })
    if (found !== undefined && !found.isFile()) throw new Error('it is not a file')
    if (!existsSync(dirname(target))) throw new Error(`${dirname(target)} does not exist`)
    for (const place of new Set([path, target])) removeDrafts(place)
    writeWhole(target, text, found === undefined ? 0o600 : found.mode & 0o777)
    const self = process.getuid?.()
    if (found !== undefined && self === 0 && statSync(target).uid !== found.uid) chownSync(target, found.uid, found.gid)
  } catch (cause) {
    throw new OxbowError('bad_config', `${path} cannot be written: ${(cause as Error).message}`, {
      hint: 'Nothing was changed. Check its permissions and the free disk space.',
      cause,
    })
  }
}

const maxLinks = 40

/** Also of a link to a file that is not there yet. */
export function linkedFile(path: string): string {
  let at = path
  for (let links = 0; lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() === true; links += 1) {
    if (links === maxLinks) throw new Error('its links lead nowhere')
    at = resolve(dirname(at), readlinkSync(at))
  }
  return at
}

/** Of processes that were killed while they wrote. Nobody else writes now. */
function removeDrafts(target: string): void {
  const folder = dirname(target)
  const name = basename(target)
  for (const entry of readdirSync(folder)) {
    const pid = /^\.config\.toml\.(\d+)$/.exec(entry)?.[1]
    const isDraft = entry.startsWith(`${name}.`) && /^\.[0-9a-f-]{36}\.new$/.test(entry.slice(name.length))
    if (isDraft || (pid !== undefined && !isAlive(Number(pid)))) rmSync(join(folder, entry), { force: true })
  }
}
