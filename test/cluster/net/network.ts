/**
 * Machines on this machine: each a network namespace with an address and a disk of its own, all on one bridge. Links are cut in either
 * direction, as a switch or a wrong firewall does: packets vanish, and nobody is told.
 */
import { execFileSync, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, statfsSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Why tests in network namespaces are skipped here; false where they run. */
export function networkSkip(): string | false {
  if (process.getuid?.() !== 0) return 'network namespaces are made by root: sudo npm run test:full'
  const missing = [
    ['ip', 'iproute2'],
    ['iptables', 'iptables'],
    ['mount', 'mount'],
  ].filter(([program]) => !answers('which', program!))
  if (missing.length > 0) return `missing here: apt-get install ${missing.map(([, name]) => name).join(' ')}`
  const probe = `oxprobe${process.pid}`
  if (!answers('ip', 'netns', 'add', probe)) return 'this root may not make network namespaces: run it outside a container'
  const filters = answers('ip', 'netns', 'exec', probe, 'iptables', '-A', 'INPUT', '-s', '10.0.0.1', '-j', 'DROP')
  answers('ip', 'netns', 'del', probe)
  return !filters && 'packets cannot be filtered here: the kernel has no iptables'
}

function answers(program: string, ...words: readonly string[]): boolean {
  try {
    execFileSync(program, words, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

export interface Machine {
  readonly name: string
  readonly ip: string
  /** A file system of its own. */
  readonly disk: string
  /** Goes before a command that is to run on it. */
  readonly prefix: readonly string[]
  spawn(command: readonly string[], options: SpawnOptions): ChildProcess
  /** Fills the disk but for a few bytes. */
  fill(): void
  makeRoom(): void
}

export interface TestNetwork extends Disposable {
  /** Of this process, on the bridge. */
  readonly ip: string
  add(name: string, diskMb: number): Machine
  /** `one` hears nothing of `other` any more; `both`: nor the other way round. */
  cut(one: Machine, other: Machine, ways: 'one' | 'both'): void
  /** All links are whole again. */
  mend(): void
}

/** @param folder for the disks */
export function openNetwork(folder: string): TestNetwork {
  // Names of links have at most 15 characters, and other tests may have networks at the same time.
  const mark = `ox${(process.pid % 100_000).toString(36)}`
  const net = `10.${90 + (process.pid % 100)}.${process.pid % 250}`
  const bridge = `${mark}br`
  const ip = (...words: readonly string[]): void => void execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] })
  const machines: Machine[] = []
  ip('link', 'add', bridge, 'type', 'bridge')
  ip('addr', 'add', `${net}.1/24`, 'dev', bridge)
  ip('link', 'set', bridge, 'up')
  const inside = (machine: Machine, ...words: readonly string[]): void => {
    const [program, ...rest] = [...machine.prefix, ...words]
    execFileSync(program!, rest, { stdio: ['ignore', 'ignore', 'pipe'] })
  }
  return {
    ip: `${net}.1`,
    add(name, diskMb) {
      const namespace = `${mark}${name}`
      const address = `${net}.${11 + machines.length}`
      const disk = join(folder, name)
      mkdirSync(disk, { recursive: true })
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskMb}m,mode=0755`, `oxbow-${namespace}`, disk])
      const machine = makeMachine({ name, ip: address, disk, prefix: ['ip', 'netns', 'exec', namespace] })
      machines.push(machine)
      ip('netns', 'add', namespace)
      ip('link', 'add', namespace, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace)
      ip('link', 'set', namespace, 'master', bridge, 'up')
      inside(machine, 'ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0')
      for (const link of ['lo', 'eth0']) inside(machine, 'ip', 'link', 'set', link, 'up')
      return machine
    },
    cut(one, other, ways) {
      inside(one, 'iptables', '-A', 'INPUT', '-s', other.ip, '-j', 'DROP')
      if (ways === 'both') inside(other, 'iptables', '-A', 'INPUT', '-s', one.ip, '-j', 'DROP')
    },
    mend: () => machines.forEach((machine) => inside(machine, 'iptables', '-F', 'INPUT')),
    [Symbol.dispose]() {
      for (const { name, disk } of machines) {
        answers('ip', 'netns', 'del', `${mark}${name}`)
        answers('umount', '-l', disk)
      }
      answers('ip', 'link', 'del', bridge)
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

function makeMachine(machine: Pick<Machine, 'name' | 'ip' | 'disk' | 'prefix'>): Machine {
  const ballast = join(machine.disk, 'ballast')
  return {
    ...machine,
    spawn(command, options) {
      const [program, ...words] = [...machine.prefix, ...command]
      return spawn(program!, words, options)
    },
    fill() {
      const { bavail, bsize } = statfsSync(machine.disk)
      try {
        writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - 4_096)))
      } catch (error) {
        // Others write, too: then it is full.
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
    },
    makeRoom() {
      if (readdirSync(machine.disk).includes('ballast')) unlinkSync(ballast)
    },
  }
}
