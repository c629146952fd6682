/**
 * The list of a person's spaces: what is known of each besides its workspace, and which one verbs use that name none. It is in the runner's
 * own folder, where no guest writes: an agent can neither switch a space nor open one. A workspace without an entry, such as one that was
 * brought back from a backup, is a space, too.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isObject, OxbowError, type UserId, writeWhole } from '../../base/index.ts'
import { asOwner } from '../file-owner.ts'
import { hasWorkspace, type Home, hostFiles, openWorkspace, usersFolder, usersOf, type Workspace } from '../home.ts'
import { maxSpaces } from '../limits.ts'
import { defaultSpace, isSpace, isSpaceName, parseSpace, spaceOf, spacesFile, workspaceName } from './space-names.ts'

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

/** @returns the list as it is now */
function change(home: Place, person: string, work: (before: Saved) => Saved): Saved {
  const file = spacesFile(home.runner, person)
  return asOwner(file, 'the list of spaces', () => {
    const after = work(readSaved(home, person))
    hostFiles(() => writeWhole(file, JSON.stringify(after, null, 2)))
    return after
  })
}

/** Spaces that a hint names. */
const maxNamed = 20

const plain = (name: string): SpaceEntry => ({ name, created_at: 0, archived_at: 0, about: '', words: [], paths: [] })

/** @returns the spaces of a person, the default one first */
export function spacesOf(home: Place, person: string): readonly Space[] {
  const saved = readSaved(home, person)
  const entries = new Map(saved.spaces.map((one) => [one.name, one]))
  return [defaultSpace, ...madeSpaces(home, person)].map((name) => spaceFrom(saved, entries.get(name), person, name))
}

/** Before the first start there is no folder of users. */
function folderNames(home: Place): readonly string[] {
  const folder = usersFolder(home)
  return existsSync(folder) ? readdirSync(folder) : []
}

const isSpaceFolder = (name: string, person: string): boolean => isSpace(name) && spaceOf(name).person === person

/** Only folders of this person are looked into. */
function madeSpaces(home: Place, person: string): readonly string[] {
  return usersOf(home, (name) => isSpaceFolder(name, person))
    .map((user) => spaceOf(user).space)
    .toSorted()
}

function spaceFrom({ current }: Saved, found: SpaceEntry | undefined, person: string, name: string): Space {
  return { ...(found ?? plain(name)), user: workspaceName(person, name), isCurrent: name === (current === '' ? defaultSpace : current) }
}

/** Of thousands it looks at this one alone. @throws OxbowError `not_found` */
export function findSpace(home: Place, person: string, name: string): Space {
  return foundIn(home, person, name, readSaved(home, person))
}

function foundIn(home: Place, person: string, name: string, saved: Saved): Space {
  const isThere = name === defaultSpace || (isSpaceName(name) && existsSync(join(usersFolder(home), workspaceName(person, name), 'ipc')))
  const entry = saved.spaces.find((one) => one.name === name)
  if (isThere) return spaceFrom(saved, entry, person, name)
  const all = [defaultSpace, ...madeSpaces(home, person)]
  const shown = [...all.slice(0, maxNamed), ...(all.length > maxNamed ? ['others'] : [])]
  throw new OxbowError('not_found', `there is no space ${JSON.stringify(name.slice(0, 64))}`, {
    hint: `There are ${shown.join(', ')}. \`oxbow space new ${isSpaceName(name) ? name : 'NAME'}\` makes one.`,
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
  if (folderNames(home).filter((one) => isSpaceFolder(one, person)).length + 1 >= maxSpaces)
    throw new OxbowError('limit_reached', `there are ${maxSpaces} spaces`, {
      hint: 'Merge or remove one: oxbow space merge NAME --to OTHER',
    })
  openWorkspace(home, user)
  const after = change(home, person, (before) => ({
    ...before,
    spaces: [...before.spaces.filter((one) => one.name !== name), { ...wanted, archived_at: 0 }],
  }))
  return foundIn(home, person, name, after)
}

/** From now on verbs that name no space use this one. @throws OxbowError `not_found`, or `denied` for an archived one */
export function useSpace(home: Place, person: string, name: string): Space {
  const after = change(home, person, (before) => {
    assertInUse(foundIn(home, person, name, before))
    return { ...before, current: name === defaultSpace ? '' : name }
  })
  return foundIn(home, person, name, after)
}

/** @param at unix milliseconds; 0: it is in use again @throws OxbowError `not_found`, or `bad_input` for the default one */
export function setArchived(home: Place, person: string, name: string, at: number): Space {
  const found = findSpace(home, person, name)
  if (name === defaultSpace)
    throw new OxbowError('bad_input', 'the default space cannot be archived', { hint: 'It is what verbs use that name no other.' })
  const { user: _user, isCurrent: _is, ...kept } = found
  const after = change(home, person, (before) => ({
    current: at !== 0 && before.current === name ? '' : before.current,
    spaces: [...before.spaces.filter((one) => one.name !== name), { ...kept, archived_at: at }],
  }))
  return foundIn(home, person, name, after)
}

/** @throws OxbowError `denied` for an archived space: nothing runs in it */
export function assertOpen(home: Place, user: string): void {
  if (!isSpace(user)) return
  const { person, space } = spaceOf(user)
  assertInUse(readSaved(home, person).spaces.find((one) => one.name === space) ?? plain(space))
}

function assertInUse({ name, archived_at }: Pick<SpaceEntry, 'name' | 'archived_at'>): void {
  if (archived_at === 0) return
  throw new OxbowError('denied', `the space ${name} is archived`, { hint: `Bring it back first: oxbow space restore ${name}` })
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
