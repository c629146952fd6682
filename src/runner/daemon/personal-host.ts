/** The daemon of one person: all users of their home run as that person, and are kept by this process. */
import { join } from 'node:path'
import { toFailure } from '../../base/index.ts'
import { configFiles } from '../config/config-layers.ts'
import type { GuestSetup } from '../guest.ts'
import { hasWorkspace, type HostEnv, openHome, openWorkspace, parseUser, usersFolder, usersOf } from '../home.ts'
import { configToStart } from '../config/start-config.ts'
import { logFolders, shownLog } from '../shown-log.ts'
import { type DaemonHost, variablesIn } from './daemon.ts'
import type { OperationHost } from './daemon-operations.ts'
import { keepHere } from './keep-here.ts'
import { maxLogBytes } from './limits.ts'
import { addUser, removeUser, unknown } from './user-changes.ts'
import type { SettingsOfUsers } from './user-settings.ts'

/** @param settings of the daemon that is made with it */
export function personalHost(env: HostEnv, version: string, settings: () => SettingsOfUsers): DaemonHost & OperationHost {
  const home = openHome(env)
  /** @throws OxbowError `bad_config` where nothing worked yet */
  const setupOf = (name: string, variables: HostEnv, warn: (text: string) => void): GuestSetup => {
    const user = parseUser(name)
    const workspace = openWorkspace(home, user)
    const own = { ...env, ...variablesIn(settings().of(user).env_file), ...variables }
    const now = openHome(own)
    return {
      home: now,
      workspace,
      ...configToStart({ home: now, workspace }, { isSafe: true }, warn),
      insecure: false,
      version,
      env: own,
      warn,
    }
  }
  return {
    users: () => usersOf(home),
    homeOf: (user) => join(usersFolder(home), user),
    assertUser(name) {
      if (!hasWorkspace(home, parseUser(name))) throw unknown(name)
    },
    async begin(user, variables, hooks) {
      const warned = new Set<string>()
      const warn = (text: string): void => {
        if (!warned.has(text)) hooks.onWarn(text)
        warned.add(text)
      }
      return { ...keepHere(() => setupOf(user, variables, warn), hooks), limits: '' }
    },
    add: async (name) => addUser(home, parseUser(name)),
    remove: async (name, purge) => removeUser(home, parseUser(name), purge, Date.now()),
    async applied(_, { memory_mb: memory, disk_mb: disk }) {
      if (memory === null && disk === null) return ''
      return 'Limits of users hold in system mode only: here all users run as you.'
    },
    async log(user, wish) {
      return shownLog(logFolders(home, { logs: join(usersFolder(home), parseUser(user), 'logs') }), wish, maxLogBytes)
    },
    async changeVersion(wish, onFault) {
      const { startChange } = await import('../upgrade/start-change.ts')
      return startChange(home, env, wish, onFault)
    },
    async config(name) {
      const user = parseUser(name)
      const workspace = openWorkspace(home, user)
      const files = configFiles(home, workspace).map(({ path }) => path)
      let problem = ''
      try {
        const { config, isFallback } = configToStart({ home, workspace }, { isSafe: true }, (text) => (problem = text))
        return { files, problem: isFallback === true ? problem : '', idle_stop_min: config.runner.idle_stop_min }
      } catch (error) {
        return { files, problem: toFailure(error, 'bad_config', '').message, idle_stop_min: 0 }
      }
    },
  }
}
