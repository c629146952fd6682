/** A test's own docker service: its folders, socket, control groups and containers are not this machine's, and it has no network. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, readdirSync, rmSync, rmdirSync, statSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { findProgram, ownSearchPath } from '../../src/sandbox/host-programs.ts'

/** Its places are known before it is started. */
export interface DockerService {
  /** What a person's environment names it by. */
  readonly env: { readonly DOCKER_HOST: string }
  /** A client that speaks with it, and is told proxies with a password by the configuration of the person. */
  readonly client: string
  /** With the client in front. */
  readonly searchPath: string
  /** @throws when it ends before it listens, with what it said */
  start(): Promise<void>
  /** Ends the service with all containers, and removes what it has made. */
  stop(): Promise<void>
}

/** False where a service can be started; else the reason for a test that is skipped. */
export function withoutDocker(): string | false {
  const missing = ['dockerd', 'docker', 'setpriv'].filter((program) => findProgram(program, servicePath()) === null)
  if (missing.length > 0) return `${missing.join(' and ')} not found: apt-get install docker.io util-linux`
  if (process.getuid?.() !== 0) return 'a docker service is started by root: sudo npm test'
  return mayMount() ? false : 'a docker service needs CAP_SYS_ADMIN, which this root has not: run the tests outside a container'
}

/** Of systems that keep services apart from what people type. */
function servicePath(): string {
  return `${ownSearchPath()}:/usr/sbin:/sbin`
}

/** capabilities(7): bit 21. */
function mayMount(): boolean {
  const [, effective = '0'] = /^CapEff:\t([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  return (BigInt(`0x${effective}`) & (1n << 21n)) !== 0n
}

export function planDocker(): DockerService {
  const group = `oxbow-test-${process.pid}-${process.hrtime.bigint().toString(36)}`
  const folder = join(tmpdir(), group)
  const socket = join(folder, 'docker.sock')
  const bin = join(folder, 'bin')
  const made = placesOfDocker.filter((path) => !existsSync(path))
  let running: { readonly service: ChildProcess; readonly ended: Promise<unknown> } | null = null
  return {
    env: { DOCKER_HOST: `unix://${socket}` },
    client: join(bin, 'docker'),
    searchPath: `${bin}:${ownSearchPath()}`,
    async start() {
      await mkdir(bin, { recursive: true })
      await writeClient(folder, socket)
      await writeFile(join(folder, 'service.json'), JSON.stringify({ runtimes: { runsc: runtimeOfGvisor } }))
      // containerd and runc are looked for by name.
      const env = { PATH: servicePath(), HOME: folder }
      // Also when the tests are killed: a service would live on, and hold what it has mounted.
      const bound = ['--pdeathsig', 'TERM', findProgram('dockerd', servicePath())!]
      const service = spawn('setpriv', [...bound, ...argumentsOf(folder, socket, group)], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env,
        detached: true,
      })
      running = { service, ended: once(service, 'exit') }
      await listening(service.stderr, running.ended)
    },
    async stop() {
      // It ends containers that are left, and its own containerd.
      running?.service.kill('SIGTERM')
      await running?.ended
      await rm(folder, { recursive: true, force: true })
      for (const path of made) removeOwn(path)
      for (const hierarchy of groupFolders()) removeGroups(join(hierarchy, group))
    },
  }
}

/** What every service makes, wherever it is told to have its own. */
const placesOfDocker = ['/etc/docker/key.json', '/etc/docker', '/run/docker/plugins', '/run/docker']

function argumentsOf(folder: string, socket: string, group: string): readonly string[] {
  return [
    [`--data-root=${join(folder, 'data')}`, `--exec-root=${join(folder, 'exec')}`, `--pidfile=${join(folder, 'pid')}`],
    ['--bridge=none', '--iptables=false', '--ip6tables=false', '--ip-forward=false', '--ip-masq=false'],
    ['--exec-opt=native.cgroupdriver=cgroupfs', `--cgroup-parent=/${group}`],
    [`--host=unix://${socket}`, `--config-file=${join(folder, 'service.json')}`, '--group=root'],
  ].flat()
}

const runtimeOfGvisor = { path: '/usr/bin/runsc', runtimeArgs: ['--platform=ptrace', '--network=none', '--fsgofer-host-uds'] }

async function listening(said: NodeJS.ReadableStream, ended: Promise<unknown>): Promise<void> {
  const lines: string[] = []
  const heard = new Promise<void>((resolve) => {
    createInterface({ input: said }).on('line', (line) => {
      if (lines.push(line) > 50) lines.shift()
      if (line.includes('API listen on')) resolve()
    })
  })
  const dead = ended.then(() => Promise.reject(new Error(`dockerd ended: ${lines.slice(-3).join('\n')}`)))
  await Promise.race([heard, dead])
  dead.catch(() => undefined)
}

async function writeClient(folder: string, socket: string): Promise<void> {
  const proxy = 'http://ada:hunter2@10.0.0.1:3128'
  await writeFile(join(folder, 'config.json'), JSON.stringify({ proxies: { default: { httpProxy: proxy, httpsProxy: proxy } } }))
  const real = findProgram('docker', servicePath())
  const script = `#!/bin/sh\nDOCKER_HOST=unix://${socket} DOCKER_CONFIG=${folder} exec ${real} "$@"\n`
  await writeFile(join(folder, 'bin/docker'), script, { mode: 0o755 })
}

/** Version 2 has one; version 1 one for each controller. */
function groupFolders(): readonly string[] {
  const root = '/sys/fs/cgroup'
  return [root, ...readdirSync(root).map((name) => join(root, name))].filter((path) => statSync(path).isDirectory())
}

function removeGroups(folder: string): void {
  if (!existsSync(folder)) return
  for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isDirectory()) removeGroups(join(folder, entry.name))
  rmdirSync(folder)
}

/** Of folders only empty ones: another service may have begun to use them. */
function removeOwn(path: string): void {
  try {
    if (statSync(path).isDirectory()) rmdirSync(path)
    else rmSync(path)
  } catch {
    // Not there, or in use.
  }
}
