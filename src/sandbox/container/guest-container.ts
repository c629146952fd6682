/**
 * A guest in a container of its own: the kernel in one, hands in another. It has no network, and sees only the program, its own folders and
 * the sockets in them; for anything else it asks its runner.
 */
import { toError } from '../../base/index.ts'
import type { Failure, OxbowError } from '../../base/index.ts'
import type { Config } from '../../config/index.ts'
import { join } from 'node:path'
import { findProgram, ownSearchPath, runOnHost } from '../host-programs.ts'
import { guestMemoryMb, guestProcesses, noFileLimitMb } from '../limits.ts'
import { removeArguments, runArguments } from './container-command.ts'
import { type ContainerEngine, findEngine, findImage, installationOf } from './container-engine.ts'
import { containerName, endRemains, reapOrphans, takeId } from './container-process.ts'
import { findEngineLimits } from './container-limits.ts'
import { keepFile } from '../kept-files.ts'
import { seccompProfile } from '../bubblewrap/seccomp-filter.ts'

export interface GuestContainerOptions {
  readonly limits: Config['sandbox']
  readonly user: string
  /** Folder on the host for files that are mounted into containers. */
  readonly cacheFolder: string
  /** See TierOptions. */
  readonly imageFolder: string
  /** Folders that are mounted at their own paths. */
  readonly readable: readonly string[]
  readonly writable: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Arguments of Node inside. */
  readonly program: readonly string[]
}

export interface GuestContainer {
  /** A command that connects to the guest by standard input and output, and ends with it. */
  readonly file: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
  /** Kills what is left of it. */
  remove(): Promise<void>
}

/** Starts nothing. @throws OxbowError `sandbox_missing` with what to install or to build */
export async function planGuestContainer(options: GuestContainerOptions): Promise<GuestContainer> {
  const { limits, cacheFolder, imageFolder, readable, writable } = options
  const seccomp = seccompProfile(process.arch)
  if (seccomp === null) throw refused({ code: 'sandbox_missing', message: `No containers on ${process.arch} yet.`, hint: '' })
  const engine = findEngine(limits.container, ownSearchPath())
  if ('code' in engine) throw refused(engine)
  const kept = join(cacheFolder, 'container')
  const engineLimits = await findEngineLimits(engine, limits.container.kernel)
  if ('code' in engineLimits) throw refused(engineLimits)
  const unmade = await socketProblem(engine, limits.container.kernel)
  if (unmade !== null) throw refused(unmade)
  const found = await findImage(engine, limits.container.image, installationOf(imageFolder))
  if ('code' in found) throw refused(found)
  const name = containerName(`${process.hrtime.bigint().toString(36)}g`)
  const idFile = join(kept, `${name}.id`)
  const uid = process.getuid?.() ?? 0
  const args = runArguments({
    engine: engine.name,
    kernel: limits.container.kernel,
    image: found.image,
    name,
    labels: { app: 'oxbow', 'oxbow.user': options.user, 'oxbow.guest': String(process.pid), 'oxbow.profile': 'guest' },
    idFile,
    seccompFile: keepFile(join(kept, 'seccomp.json'), seccomp),
    // It runs as the owner of its folders, which nobody else can enter; without any of root's capabilities.
    uid,
    gid: process.getgid?.() ?? 0,
    rootless: engine.rootless,
    mounts: [
      ...readable.map((host) => ({ host, inside: host, writable: false })),
      ...writable.map((host) => ({ host, inside: host, writable: true })),
    ],
    // Only the guest's own code runs there; a journal may grow as large as the disk allows.
    limits: { ...limits, memory_mb: guestMemoryMb, max_processes: guestProcesses, max_file_mb: noFileLimitMb },
    held: engineLimits.held,
    makesSockets: true,
    env: options.env,
    program: options.program,
  })
  const remove = async (): Promise<void> => {
    await runOnHost(engine.file, removeArguments(engine.name, name), { env: engine.env })
    const id = takeId(idFile)
    if (id !== null) await endRemains(id)
    await reapOrphans(engine, kept)
  }
  return { file: engine.file, args, env: engine.env, remove }
}

/** An isolated guest is reached by a socket that it makes itself, which gVisor refuses unless told. @returns why it would; null if not */
async function socketProblem({ name, file, env }: ContainerEngine, kernel: 'runc' | 'gvisor'): Promise<Failure | null> {
  if (kernel === 'runc') return null
  const message = 'No isolated guest: this gVisor lets no container create a socket on the host'
  if (name === 'docker') {
    const { stdout } = await runOnHost(file, ['info', '--format', '{{json .Runtimes}}'], { env })
    if (/host-uds=(?:all|create)\b/.test(stdout)) return null
    const hint = 'Add "--host-uds=all" to the runtimeArgs of runsc in daemon.json, or use podman or sandbox.container.kernel = "runc".'
    return { code: 'sandbox_missing', message: `${message}.`, hint }
  }
  const runsc = findProgram('runsc', ownSearchPath())
  const { stdout, stderr } = runsc === null ? { stdout: '', stderr: '' } : await runOnHost(runsc, ['flags'])
  if (/^\s*-host-uds\b/m.test(stdout + stderr)) return null
  const hint = 'Install a runsc of December 2022 or newer, or set sandbox.container.kernel = "runc".'
  return { code: 'sandbox_missing', message: `${message} (it does not know --host-uds).`, hint }
}

function refused(failure: Failure): OxbowError {
  return toError({
    ...failure,
    hint: `${failure.hint.replace(/([^.])$/, '$1.')} Or set sandbox.isolate_guest = false in config.toml.`.trim(),
  })
}
