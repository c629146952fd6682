/** One of three NATS servers with JetStream that form a cluster of their own, each on a machine of its own. */
import type { ChildProcess } from 'node:child_process'
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../cluster-fixture.ts'
import type { Machine } from './network.ts'

const port = 4222
const routePort = 6222
const monitorPort = 8222

export interface NatsMember {
  readonly url: string
  readonly machine: Machine
  start(): Promise<void>
  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>
  /** Kills it, erases what it has stored, and starts it. */
  loseData(): Promise<void>
}

export function makeMember(machine: Machine, all: readonly Machine[]): NatsMember {
  const folder = join(machine.disk, 'nats')
  const file = join(machine.disk, 'nats.conf')
  const log = join(machine.disk, 'nats.log')
  let child: ChildProcess | null = null
  mkdirSync(folder)
  writeFileSync(
    file,
    [
      `server_name: ${machine.name}`,
      `listen: ${machine.ip}:${port}`,
      `jetstream { store_dir: "${folder}", max_mem: 32M, max_file: 32M }`,
      `cluster { name: oxbow, listen: ${machine.ip}:${routePort}, routes: [${all.map(({ ip }) => `"nats://${ip}:${routePort}"`).join(', ')}] }`,
      `http: ${machine.ip}:${monitorPort}`,
      'ping_interval: 2s',
      'ping_max: 2',
      '',
    ].join('\n'),
  )
  const member: NatsMember = {
    url: `nats://${machine.ip}:${port}`,
    machine,
    async start() {
      const started = machine.spawn(['nats-server', '-c', file], { stdio: ['ignore', 'ignore', 'pipe'] })
      child = started
      let said = ''
      started.stderr!.on('data', (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(-20_000)
        try {
          appendFileSync(log, chunk)
        } catch {
          // Its disk is full.
        }
      })
      await until(
        () => said.includes('Server is ready'),
        () => said,
      )
    },
    async signal(name) {
      const living = child
      if (living === null || living.exitCode !== null || living.signalCode !== null) return
      const ended = new Promise<void>((resolve) => void living.once('exit', () => resolve()))
      living.kill(name)
      if (name === 'SIGKILL') await ended
    },
    async loseData() {
      await member.signal('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
      mkdirSync(folder)
      await member.start()
    },
  }
  return member
}

/** @returns what keeps a member from being whole, in its words; empty: nothing */
export async function missingOf({ machine }: NatsMember): Promise<string> {
  try {
    const response = await fetch(`http://${machine.ip}:${monitorPort}/healthz`, { signal: AbortSignal.timeout(2_000) })
    const body = await response.text()
    return response.ok ? '' : `${machine.name}: ${body}`
  } catch (error) {
    return `${machine.name}: ${String((error as Error).cause ?? error)}`
  }
}
