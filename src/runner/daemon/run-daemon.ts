/** Runs a daemon until it is told to stop. */
import { chmodSync, lchownSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { inspect } from 'node:util'
import { type HostEnv, openHome } from '../home.ts'
import { openControlServer, type ControlServer, type Operate } from './control-server.ts'
import { createDaemon, takePlace } from './daemon.ts'
import { adminSocket, type DaemonMode, openSocketFolder, placeOf, userSocket } from './daemon-place.ts'
import { daemonOperations } from './daemon-operations.ts'
import { operate, type Operations } from './operations.ts'
import { personalHost } from './personal-host.ts'
import type { SystemHost } from '../system/system-host.ts'

/** @returns the exit code */
export async function runDaemon(mode: DaemonMode, env: HostEnv, version: string): Promise<number> {
  const place = placeOf(mode, env)
  if (mode === 'personal') openHome(env)
  else (await import('../system/system-host.ts')).openSystemFolders(place)
  takePlace(place)
  const settings = () => daemon.settings
  const system: SystemHost | null =
    mode === 'system'
      ? await (await import('../system/system-host.ts')).systemHost(place, { version, settings, daemon: () => daemon })
      : null
  const host = system ?? personalHost(env, version, settings)
  const daemon = createDaemon(place, host, Date.now)
  daemon.problems.push(...(system?.problems ?? []))
  const operations: Operations = { ...daemonOperations(daemon, host, version), ...system?.operations }
  const operateFor =
    (user: string | null): Operate =>
    (op, input, gone) =>
      operate(operations, op, input, { user, gone })

  const onBug = (error: unknown): void => daemon.note('error', 'a request has failed', { error: inspect(error) })
  const sockets = new Map<string, ControlServer>()
  /** @param owner its Unix user in system mode */
  const listen = async (path: string, user: string | null, owner: { readonly uid: number; readonly gid: number } | null): Promise<void> => {
    // Nobody else has it: this process has taken the place.
    rmSync(path, { force: true })
    sockets.set(path, await openControlServer(path, operateFor(user), onBug))
    chmodSync(path, 0o600)
    if (owner !== null) lchownSync(path, owner.uid, owner.gid)
  }
  const admin = adminSocket(place)
  openSocketFolder(dirname(admin), mode === 'system' ? 0o711 : 0o700)
  await listen(admin, null, null)
  system?.onUsers(async (users) => {
    for (const { name, ...owner } of users) if (!sockets.has(userSocket(place, name))) await listen(userSocket(place, name), name, owner)
    const wanted = new Set([admin, ...users.map(({ name }) => userSocket(place, name))])
    for (const [path, server] of sockets) {
      if (wanted.has(path)) continue
      sockets.delete(path)
      await server.close()
    }
  })
  await system?.refresh()

  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
    process.on('SIGHUP', () => {})
  })
  daemon.events.note('daemon_started', '', `process ${process.pid}, version ${version}`)
  if (mode === 'personal') (await import('../upgrade/progress.ts')).followChanges(openHome(env), daemon.events)
  daemon.begin()
  process.stdout.write(`oxbowd ${version}: process ${process.pid}, ${admin}\n`)
  await stopped
  daemon.events.note('daemon_stopped', '', '')
  await Promise.all([...sockets.values()].map((server) => server.close()))
  await daemon.close()
  rmSync(join(place.runner, 'daemon.json'), { force: true })
  return 0
}
