/**
 * The list of a person's spaces: what is known of each besides its workspace, and which one verbs use that name none. It is in the runner's
 * own folder, where no guest writes: an agent can neither switch a space nor open one. A workspace without an entry, such as one that was
 * brought back from a backup, is a space, too.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isObject, OxbowError, type UserId, writeWhole } from '../../base/index.ts'
import { asOwner } from '../file-owner.ts'
import { hasWorkspace, type Home, hostFiles, openWorkspace, usersFolder, usersOf, type Workspace } from '../home.ts'
import { maxSpaces } from '../limits.ts'
import { defaultSpace, isSpace, parseSpace, spaceOf, spacesFile, workspaceName } from './space-names.ts'

/** Unix milliseconds; `archived_at` 0: not archived. `words` of a message, and `paths` in which a terminal stands, suggest it. */
export interface SpaceEntry {
  readonly name: string
  readonly created_at: number
  readonly archived_at: number
  readonly about: string
  readonly words: readonly string[]
  readonly paths: readonly string[]
}

interface Saved {
  readonly current: string
  readonly spaces: readonly SpaceEntry[]
}

export interface Space extends SpaceEntry {
  readonly user: UserId
  readonly isCurrent: boolean
}

type Place = Pick<Home, 'root' | 'runner'>

/** @throws OxbowError `bad_config` for a damaged list */
function readSaved({ runner }: Pick<Home, 'runner'>, person: string): Saved {
  const file = spacesFile(runner, person)
  if (!existsSync(file)) return { current: '', spaces: [] }
  try {
    const saved: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (isSaved(saved)) return saved
    throw new Error('it is not a list of spaces')
  } catch (cause) {
    throw new OxbowError('bad_config', `the list of spaces ${file} is damaged`, {
      hint: 'Remove the file: the spaces themselves are in `users`, and are found again. Which one was in use, and their words, are lost.',
      cause,
    })
  }
}

/** Checked by hand: to load schemas would be a fifth of a switch of spaces. */
function isSaved(value: unknown): value is Saved {
  return isObject(value) && typeof value['current'] === 'string' && Array.isArray(value['spaces']) && value['spaces'].every(isEntry)
}

function isEntry(value: unknown): value is SpaceEntry {
  if (!isObject(value)) return false
  const { name, about, created_at, archived_at, words, paths } = value
  const isText = (each: unknown): each is string => typeof each === 'string'
  return (
    [name, about].every(isText) &&
    [created_at, archived_at].every(Number.isFinite) &&
    [words, paths].every((texts) => Array.isArray(texts) && texts.every(isText))
  )
}

function change(home: Place, person: string, work: (before: Saved) => Saved): void {
  const file = spacesFile(home.runner, person)
  asOwner(file, 'the list of spaces', () => {
    const after = work(readSaved(home, person))
    hostFiles(() => writeWhole(file, JSON.stringify(after, null, 2)))
  })
}

const plain = (name: string): SpaceEntry => ({ name, created_at: 0, archived_at: 0, about: '', words: [], paths: [] })

/** @returns the spaces of a person, the default one first */
export function spacesOf(home: Place, person: string): readonly Space[] {
  const { current, spaces } = readSaved(home, person)
  const found = usersOf(home).flatMap((user) => (isSpace(user) && spaceOf(user).person === person ? [spaceOf(user).space] : []))
  const names = [defaultSpace, ...found.toSorted()]
  return names.map((name) => ({
    ...(spaces.find((one) => one.name === name) ?? plain(name)),
    user: workspaceName(person, name),
    isCurrent: name === (current === '' ? defaultSpace : current),
  }))
}

/** @throws OxbowError `not_found` */
export function findSpace(home: Place, person: string, name: string): Space {
  const all = spacesOf(home, person)
  const found = all.find((one) => one.name === name)
  if (found !== undefined) return found
  throw new OxbowError('not_found', `there is no space ${JSON.stringify(name)}`, {
    hint: `There are ${all.map((one) => one.name).join(', ')}. \`oxbow space new ${/^[a-z0-9-]+$/.test(name) ? name : 'NAME'}\` makes one.`,
  })
}

/** @throws OxbowError `bad_input` where there is one, `limit_reached`, or `bad_config` where the machine keeps the homes */
export function newSpace(home: Home, person: string, wanted: Omit<SpaceEntry, 'archived_at'>): Space {
  const name = parseSpace(wanted.name)
  if (home.system !== null)
    throw new OxbowError('bad_config', 'spaces are for a home of your own: this one is kept by the daemon of the machine', {
      hint: 'Use a home of your own: OXBOW_HOME=~/.oxbow oxbow space new NAME',
    })
  const user = workspaceName(person, name)
  if (name === defaultSpace || hasWorkspace(home, user))
    throw new OxbowError('bad_input', `there is a space ${name} already`, { hint: `Use it: oxbow space use ${name}` })
  if (spacesOf(home, person).length >= maxSpaces)
    throw new OxbowError('limit_reached', `there are ${maxSpaces} spaces`, {
      hint: 'Merge or remove one: oxbow space merge NAME --to OTHER',
    })
  openWorkspace(home, user)
  change(home, person, (before) => ({
    ...before,
    spaces: [
      ...before.spaces.filter((one) => one.name !== name),
      { ...wanted, archived_at: 0, words: [...wanted.words], paths: [...wanted.paths] },
    ],
  }))
  return findSpace(home, person, name)
}

/** From now on verbs that name no space use this one. @throws OxbowError `not_found`, or `denied` for an archived one */
export function useSpace(home: Place, person: string, name: string): Space {
  assertOpen(home, findSpace(home, person, name).user)
  change(home, person, (before) => ({ ...before, current: name === defaultSpace ? '' : name }))
  return findSpace(home, person, name)
}

/** @param at unix milliseconds; 0: it is in use again @throws OxbowError `not_found`, or `bad_input` for the default one */
export function setArchived(home: Place, person: string, name: string, at: number): Space {
  const found = findSpace(home, person, name)
  if (name === defaultSpace)
    throw new OxbowError('bad_input', 'the default space cannot be archived', { hint: 'It is what verbs use that name no other.' })
  const { user: _user, isCurrent: _is, ...kept } = found
  change(home, person, (before) => ({
    current: at !== 0 && before.current === name ? '' : before.current,
    spaces: [
      ...before.spaces.filter((one) => one.name !== name),
      { ...kept, archived_at: at, words: [...kept.words], paths: [...kept.paths] },
    ],
  }))
  return findSpace(home, person, name)
}

/** @throws OxbowError `denied` for an archived space: nothing runs in it */
export function assertOpen(home: Place, user: string): void {
  if (!isSpace(user)) return
  const { person, space } = spaceOf(user)
  const archived = readSaved(home, person).spaces.find((one) => one.name === space)?.archived_at ?? 0
  if (archived === 0) return
  throw new OxbowError('denied', `the space ${space} is archived`, { hint: `Bring it back first: oxbow space restore ${space}` })
}

/** @returns the workspace of a space that exists @throws OxbowError `not_found` */
export function spaceWorkspace(home: Home, person: string, name: string): Workspace {
  return openWorkspace(home, findSpace(home, person, name).user)
}

/** @throws OxbowError `not_found` for a space that nobody has made: a mistyped name must not make one */
export function assertKnown(home: Place, user: string): void {
  if (isSpace(user) && !existsSync(join(usersFolder(home), user))) findSpace(home, spaceOf(user).person, spaceOf(user).space)
}

/** A space that a message or a folder may belong to. */
export interface Suggested {
  readonly space: string
  readonly because: string
}

/**
 * What a message and a folder suggest; it never switches anything.
 * @param folder in which the terminal stands @returns null where nothing does, or the space is in use already
 */
export function suggestSpace(home: Place, user: string, text: string, folder: string): Suggested | null {
  const { person, space: used } = spaceOf(user)
  if (!existsSync(spacesFile(home.runner, person))) return null
  const words = new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [])
  const scored = readSaved(home, person).spaces.flatMap((one) => {
    if (one.archived_at !== 0 || !hasWorkspace(home, workspaceName(person, one.name))) return []
    const path = one.paths.find((each) => folder === each || folder.startsWith(`${each}/`) || text.includes(each))
    const said = [one.name, ...one.words].filter((word) => words.has(word.toLowerCase()))
    const because = path !== undefined ? `the folder ${path}` : said.length > 0 ? `the word ${JSON.stringify(said[0])}` : ''
    return because === '' ? [] : [{ space: one.name, because, score: (path === undefined ? 0 : 3) + said.length }]
  })
  const [best, next] = scored.toSorted((a, b) => b.score - a.score)
  return best === undefined || best.space === used || next?.score === best.score ? null : { space: best.space, because: best.because }
}
