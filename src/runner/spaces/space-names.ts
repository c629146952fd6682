/**
 * Names of spaces. A space of a person is a workspace of its own, whose user is `PERSON~SPACE`: the owner that every row of the store names,
 * the folder that its sandbox shows, and the chain of its journal. So nothing that reads one space can name the rows of another. The default
 * space is the person's workspace as it has always been.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isObject, OxbowError, type UserId } from '../../base/index.ts'
import { homeRoot, type HostEnv, parseUser } from '../home.ts'

/** Between a person and a space in the name of a workspace; in no name of a space, and refused in names of new users. */
const separator = '~'

export const defaultSpace = 'default'

/** A person, and one of their spaces. */
export interface SpaceOf {
  readonly person: UserId
  readonly space: string
}

/** @returns whose workspace it is, and which space */
export function spaceOf(user: string): SpaceOf {
  const at = user.indexOf(separator)
  return at <= 0 ? { person: user as UserId, space: defaultSpace } : { person: user.slice(0, at) as UserId, space: user.slice(at + 1) }
}

/** @returns whether the workspace is a space that is not the default one */
export function isSpace(user: string): boolean {
  return spaceOf(user).space !== defaultSpace
}

/** @returns the name of the workspace of a space */
export function workspaceName(person: string, space: string): UserId {
  return parseUser(space === defaultSpace ? person : `${person}${separator}${space}`)
}

/** @returns whether a space can have this name */
export function isSpaceName(text: string): boolean {
  return /^[a-z0-9][a-z0-9-]{0,30}$/.test(text)
}

/** @throws OxbowError `bad_input` for a name that no space can have */
export function parseSpace(text: string): string {
  if (isSpaceName(text)) return text
  throw new OxbowError('bad_input', `${JSON.stringify(text.slice(0, 64))} cannot be the name of a space`, {
    hint: 'Use 1 to 31 lowercase letters, digits and hyphens, such as "taxes-2026".',
  })
}

/** @returns the file with the list of a person's spaces; it may not exist */
export function spacesFile(runner: string, person: string): string {
  return join(runner, 'spaces', `${person}.json`)
}

/** @returns the folder with the moves between spaces that are under way, or that a kill has cut off; it may not exist */
export function openMovesFolder(runner: string): string {
  return join(runner, 'spaces', 'moves', 'open')
}

/** Asked by every verb, so it loads nothing. @returns whether one may be left to settle */
export function hasOpenMoves(runner: string): boolean {
  const folder = openMovesFolder(runner)
  return existsSync(folder) && readdirSync(folder).length > 0
}

/**
 * The workspace that a verb means which names none. It is read by every start, so it loads nothing.
 * @param wanted the space that the command line names
 * @throws OxbowError `bad_input` for a name that no space can have
 */
export function chosenWorkspace(env: HostEnv, person: string, wanted?: string): string {
  const named = wanted ?? (env['OXBOW_SPACE'] || undefined)
  if (named !== undefined) return workspaceName(person, parseSpace(named))
  if (spaceOf(person).space !== defaultSpace) return person
  const file = spacesFile(join(homeRoot(env), 'runner'), person)
  if (!existsSync(file)) return person
  try {
    const saved: unknown = JSON.parse(readFileSync(file, 'utf8'))
    const current = isObject(saved) ? saved['current'] : undefined
    return typeof current === 'string' && current !== '' ? workspaceName(person, parseSpace(current)) : person
  } catch {
    // A damaged list is reported by whatever needs it; until then nobody is led into another space.
    return person
  }
}
