/** What an administrator has set for each user: a file for each in the folder of the daemon, which no guest can write. */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { OxbowError, writeWhole } from '../../base/index.ts'
import { type UserSettings, userSettings } from '../../protocol/index.ts'
import { readText } from '../file-owner.ts'
import { hostFiles } from '../home.ts'

export interface SettingsOfUsers {
  /** @returns the users that have settings */
  names(): readonly string[]
  /** @returns the defaults for a user without. @throws OxbowError `bad_config` for a damaged file */
  of(user: string): UserSettings
  set(user: string, settings: { readonly [Key in keyof UserSettings]?: UserSettings[Key] | undefined }): UserSettings
  remove(user: string): void
}

/** @param folder the daemon's own */
export function openSettings(folder: string): SettingsOfUsers {
  const users = join(folder, 'users')
  const fileOf = (user: string): string => join(users, `${user}.json`)
  const read = (user: string): UserSettings => {
    const path = fileOf(user)
    const text = hostFiles(() => readText(path))
    try {
      return userSettings.parse(text === null ? {} : JSON.parse(text))
    } catch (cause) {
      throw new OxbowError('bad_config', `the settings of ${user} are damaged: ${path}`, {
        hint: `Mend the file, or remove it and set them again: oxbow user set ${user}`,
        cause,
      })
    }
  }
  return {
    names: () =>
      !existsSync(users)
        ? []
        : readdirSync(users)
            .filter((name) => name.endsWith('.json'))
            .map((name) => name.slice(0, -'.json'.length)),
    of: read,
    set(user, settings) {
      const next = userSettings.parse({ ...read(user), ...withoutUndefined(settings) })
      hostFiles(() => {
        mkdirSync(users, { recursive: true, mode: 0o700 })
        writeWhole(fileOf(user), `${JSON.stringify(next, null, 2)}\n`)
      })
      return next
    },
    remove: (user) => hostFiles(() => rmSync(fileOf(user), { force: true })),
  }
}

function withoutUndefined(settings: object): object {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
}
