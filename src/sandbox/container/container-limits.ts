/** Which limits an engine can enforce on this machine, and the texts for the status. */
import { existsSync } from 'node:fs'
import type { Failure } from '../../base/index.ts'
import type { Config } from '../../config/index.ts'
import { findDiskLimit } from '../disk.ts'
import { runOnHost } from '../host-programs.ts'
import type { TierOptions } from '../tier-plan.ts'
import type { HeldLimit } from './container-command.ts'
import { firstLine, startHint } from './container-engine.ts'
import type { ContainerEngine } from './container-engine.ts'

/** Which limits can be enforced, and why the others cannot, for a person. */
export interface EngineLimits {
  readonly held: readonly HeldLimit[]
  /** '' if all can. */
  readonly reason: string
}

export const heldLimits: readonly HeldLimit[] = ['memory', 'processes', 'processors']

/** Queries the engine where necessary: 40 ms with docker, 0.4 s with podman without root. @returns a failure if it cannot be used at all */
export async function findEngineLimits(
  engine: ContainerEngine,
  kernel: Config['sandbox']['container']['kernel'],
): Promise<EngineLimits | Failure> {
  if (engine.name === 'docker') return limitsOfDocker(engine, kernel)
  if (!engine.rootless) return { held: heldLimits, reason: '' }
  if (kernel === 'gvisor') return { held: [], reason: 'gVisor without root makes no control group' }
  // It would warn, and continue without limits.
  if (!existsSync('/sys/fs/cgroup/cgroup.controllers')) {
    return { held: [], reason: 'podman without root cannot limit a container under cgroup v1' }
  }
  const { exitCode, stdout, stderr } = await ask(engine, '{{range .Host.CgroupControllers}}{{.}} {{end}}')
  if (exitCode !== 0) return silent(engine, stderr)
  const supported = new Set(stdout.trim().split(' '))
  const names: Readonly<Record<HeldLimit, string>> = { memory: 'memory', processes: 'pids', processors: 'cpu' }
  const held = heldLimits.filter((limit) => supported.has(names[limit]))
  return { held, reason: held.length === heldLimits.length ? '' : 'the system delegates its control groups to no unprivileged user' }
}

/** Fields of `docker info`; without a control group the engine would only warn. */
const factsOfDocker =
  '{{.MemoryLimit}} {{.PidsLimit}} {{.CPUCfsQuota}} {{json .SecurityOptions}} {{range $name, $_ := .Runtimes}}{{$name}} {{end}}'

async function limitsOfDocker(engine: ContainerEngine, kernel: 'runc' | 'gvisor'): Promise<EngineLimits | Failure> {
  const { exitCode, stdout, stderr } = await ask(engine, factsOfDocker)
  const [, memory, pids, cpu, security = '', runtimes = ''] = /^(true|false) (true|false) (true|false) (\S+) (.*)$/m.exec(stdout) ?? []
  // Newer clients succeed without a service, with empty fields.
  if (exitCode !== 0 || memory === undefined) {
    // Older clients report the template instead of the missing service.
    const plain = await runOnHost(engine.file, ['version', '--format', '{{.Server.Version}}'], { env: engine.env })
    return silent(engine, plain.stderr || stderr)
  }
  if (/"name=(?:rootless|userns)\b/.test(security)) {
    const what = security.includes('name=rootless')
      ? 'this docker service runs without root'
      : 'this docker service maps users (userns-remap)'
    return { code: 'sandbox_missing', message: `No containers: ${what}, which cannot write to the workspace.`, hint: podmanInstead }
  }
  if (kernel === 'gvisor' && !runtimes.split(' ').includes('runsc')) {
    return { code: 'sandbox_missing', message: 'No containers: docker has no runtime runsc (gVisor).', hint: runtimeHint }
  }
  const supported: Readonly<Record<HeldLimit, boolean>> = {
    memory: memory === 'true',
    processes: pids === 'true',
    processors: cpu === 'true',
  }
  const held = heldLimits.filter((limit) => supported[limit])
  return { held, reason: held.length === heldLimits.length ? '' : 'docker finds no control group for it on this machine' }
}

/** @param reason why a container did not start, in the words of the engine */
export function notStartedHint(reason: string): string {
  if (/\/etc\/sub[ug]id/.test(reason))
    return 'Without root, podman needs a range of ids: as root, `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME`; then as NAME `podman system migrate`.'
  return 'Run oxbow doctor: it starts a container and reports what is missing.'
}

const podmanInstead = 'Install podman, which works without root, and set sandbox.container.engine = "podman" in config.toml.'
const runtimeHint =
  'Put {"runtimes": {"runsc": {"path": "/usr/bin/runsc", "runtimeArgs": ["--platform=ptrace", "--network=none", "--fsgofer-host-uds"]}}} into /etc/docker/daemon.json and restart docker.'

function ask({ file, env }: ContainerEngine, format: string): ReturnType<typeof runOnHost> {
  return runOnHost(file, ['info', '--format', format], { env })
}

function silent({ name }: ContainerEngine, text: string): Failure {
  const message = `${name} does not respond: ${firstLine(text)}`
  return { code: 'sandbox_missing', message, hint: `Check that \`${name} info\` works.${startHint(name)}` }
}

export function limitsInForce({ folders, limits, egressSocket, diskProblem }: TierOptions, { held }: EngineLimits): readonly string[] {
  const network = egressSocket === undefined ? 'none' : 'none but the egress proxy, for calls that may use it'
  const words: Readonly<Record<HeldLimit, readonly string[]>> = {
    memory: [`memory: ${limits.memory_mb} MB for each container`],
    processes: [`processes: ${limits.max_processes}`],
    processors: limits.cpus === null ? [] : [`processors: ${limits.cpus} for each container`],
  }
  return [
    `network: ${network}`,
    `largest file: ${limits.max_file_mb} MB`,
    ...held.flatMap((limit) => words[limit]),
    ...findDiskLimit(folders, limits.disk_mb, diskProblem).inForce,
  ]
}

/** Configured limits that the engine or the machine cannot enforce. */
export function limitsMissing({ folders, limits, diskProblem }: TierOptions, { held, reason }: EngineLimits): readonly string[] {
  const words: Readonly<Record<HeldLimit, readonly string[]>> = {
    memory: [`memory: ${reason}; each process is limited by itself`],
    processes: [`processes: ${reason}; limited by RLIMIT_NPROC`],
    processors: limits.cpus === null ? [] : [`processors: ${reason}; not limited`],
  }
  return [
    ...heldLimits.filter((limit) => !held.includes(limit)).flatMap((limit) => words[limit]),
    ...findDiskLimit(folders, limits.disk_mb, diskProblem).missing,
  ]
}
