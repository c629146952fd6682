/** Adding and removing users. What the person has is moved aside, never lost by a mistyped name; erasing is a separate wish. */
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { OxbowError, type UserId } from '../../base/index.ts'
import { type Home, hostFiles, makeFolder, openWorkspace, usersFolder } from '../home.ts'

/** @throws OxbowError `bad_input` for one that exists */
export function addUser(home: Home, user: UserId): void {
  if (user.includes('~'))
    throw new OxbowError('bad_input', `${user} cannot be a user: "~" stands before the name of a space`, {
      hint: 'Choose a name without "~". A space of yours: oxbow space new NAME',
    })
  if (existsSync(join(usersFolder(home), user))) throw exists(user)
  openWorkspace(home, user)
}

export function exists(user: string): OxbowError {
  return new OxbowError('bad_input', `there is a user ${user} already`, {
    hint: `Choose another name; \`oxbow user show ${user}\` shows that one.`,
  })
}

export function unknown(user: string): OxbowError {
  return new OxbowError('not_found', `there is no user ${user}`, { hint: '`oxbow user list` shows the users.' })
}

/** @returns the folder in which removed users are kept */
export function removedFolder(root: string): string {
  return join(root, 'removed')
}

/**
 * Removes a user of a personal home who does not run. The signed heads stay: what was signed once cannot be made unsaid.
 * @returns what was done, in words @throws OxbowError `not_found`
 */
export function removeUser(home: Home, user: UserId, purge: boolean, now: number): string {
  const workspace = join(usersFolder(home), user)
  const key = join(home.runner, 'keys', `${user}.json`)
  if (!existsSync(workspace) && !purge) throw unknown(user)
  return hostFiles(() => {
    if (purge) {
      for (const path of [workspace, key, ...asideOf(home.root, user)]) rmSync(path, { recursive: true, force: true })
      return `${user} is erased; the signed heads stay in ${join(home.runner, 'heads')}`
    }
    const aside = asidePath(home.root, user, now)
    renameSync(workspace, aside)
    if (existsSync(key)) renameSync(key, join(aside, 'key.json'))
    return `${user} is removed; everything they had is in ${aside}`
  })
}

/** Makes the folder above it. @returns where a user who is removed now is kept */
export function asidePath(root: string, user: string, now: number): string {
  const folder = removedFolder(root)
  makeFolder(folder)
  return join(folder, `${user}@${new Date(now).toISOString().replaceAll(/[-:.]/g, '')}`)
}

/** @returns what is kept of a user who was removed, each time */
export function asideOf(root: string, user: string): readonly string[] {
  const folder = removedFolder(root)
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.slice(0, name.lastIndexOf('@')) === user)
    .map((name) => join(folder, name))
}
