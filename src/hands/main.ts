/**
 * Hands: the one program that touches files and runs commands, started inside the sandbox. It speaks frames (protocol/hands/hands-frame.ts) and ends
 * when its input ends, so that it never outlives the kernel.
 *
 *     node main.ts over standard input and output, in a sandbox that has /shared and /tmp
 *                                             are called
 *       --listen PATH | --connect PATH over a unix socket that it creates, or that exists
 *       --device NAME                         over the virtio-serial port of this name, or a device by its path
 *       --user UID becomes this user (and group, and no other) once that is open
 *       --alone                               every process here belongs to the sandbox: what a command leaves is ended with it.
 *                                             Implied under bubblewrap
 *       --data-limit KIB                      each process of a command gets at most this much memory of its own
 *       --relay SOCKET                        the egress proxy listens there; programs find it at 127.0.0.1:8118
 *       --relay-device NAME the same, over a port (as for --device) that all connections share
 *       --streams-device NAME                 a port for the streams of carried programs; with it all of /run/oxbow can be read and changed
 *       --vault only /vault exists, read-only; no commands
 *       --browser PROGRAM drives Chromium; no commands
 *       --run PROGRAM [ARGUMENT…]             runs this program on the standard streams instead of hands, once the relay listens; the variable
 *                                             OXBOW_PASS identifies it to the proxy
 *       --mapped SHARED TMP two folders of the host serve as /shared and /tmp, no commands: without a sandbox, or in one
 *                                             that cannot mount folders
 *       --mapped-vault FOLDER                 the same for --vault
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { browserAt } from './browser/chromium-launch.ts'
import { acceptStreams, type TakeStreams } from './commands/carried-streams.ts'
import { createCommandRunner } from './commands/run-command.ts'
import { createLiveCommands } from './commands/start-process.ts'
import { closeInherited, openDevice, openTransport, type TransportChoice } from './transport.ts'
import { bySharedPort, bySocket, proxyEnvironment, startRelay } from './relay.ts'
import { type HandsOptions, serve } from './serve.ts'

function options({ mapped, vault, alone, dataLimitKib, relay, browser }: HandsArguments, takeStreams: TakeStreams | null): HandsOptions {
  if (mapped !== null) {
    return {
      roots: [
        { virtual: '/shared', real: realpathSync(mapped[0]) },
        { virtual: '/tmp', real: realpathSync(mapped[1]) },
      ],
    }
  }
  if (vault !== '') return { roots: [{ virtual: '/vault', real: realpathSync(vault) }] }
  const names = ['/shared', '/tmp', '/skills', ...(takeStreams === null ? [] : ['/run/oxbow'])]
  const roots = names.filter((root) => existsSync(root)).map((root) => ({ virtual: root, real: root }))
  if (browser !== null) return { roots, browser: browserAt(browser) }
  const live = createLiveCommands(alone || isUnderBubblewrap(), relay === null ? undefined : proxyEnvironment)
  const place = { roots, live, dataLimitKib }
  return { roots, commands: createCommandRunner(place, takeStreams), sessions: place }
}

/** Processes that hands did not start may be killed only where all processes belong to the sandbox. */
function isUnderBubblewrap(): boolean {
  return readFileSync('/proc/1/comm', 'utf8').trim() === 'bwrap'
}

/** Irrevocable: also drops all other groups and, as root, all capabilities. */
function become(user: number | null): void {
  if (user === null) return
  process.setgroups!([])
  process.setgid!(user)
  process.setuid!(user)
}

async function run(): Promise<void> {
  const args = parseArguments(process.argv.slice(2))
  if (args.run !== null) return runProgram(args.run, args.relay)
  // Needs /proc, which some systems lack where folders are mapped.
  if (args.mapped === null && existsSync('/proc/self/fd')) closeInherited()
  // Before the change of user: only root may open it.
  const shared = args.relay?.kind === 'device' ? await openDevice(args.relay.name) : null
  const streams = args.streams === '' ? null : acceptStreams(await openDevice(args.streams))
  const { input, output } = await openTransport(args.transport, () => become(args.user))
  // The kernel has closed its end.
  output.on('error', () => process.exit(0))
  if (args.relay !== null) await startRelay(shared === null ? bySocket(args.relay.name) : bySharedPort(shared))
  await serve(input, output, options(args, streams))
}

/** Resolves never: this process ends as the program does. */
async function runProgram([file = '', ...rest]: readonly string[], relay: HandsArguments['relay']): Promise<void> {
  if (relay !== null) await startRelay(bySocket(relay.name))
  const { OXBOW_PASS: pass = '', ...env } = process.env
  // Programs of Node use the proxy only when they are told to.
  const proxy = { ...proxyEnvironment(pass), NODE_USE_ENV_PROXY: '1' }
  const program = spawn(file, rest, { env: { ...env, ...proxy }, stdio: 'inherit' })
  program.on('exit', (code) => process.exit(code ?? 1))
  await new Promise((_, reject) => program.on('error', reject))
}

// No await out here: hands are started as CommonJS, which Node loads 5 ms sooner and whose compiled code can be kept.
run().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`hands: ${error instanceof Error ? error.message : 'unknown failure'}\n`)
    process.exit(1)
  },
)

/** The caller of hands is trusted; an unknown flag is a mistake and fails the start. */
interface HandsArguments {
  /** The transport to the kernel. */
  readonly transport: TransportChoice
  /** Folders of the host that serve as /shared and /tmp, null in a sandbox. */
  readonly mapped: readonly [shared: string, tmp: string] | null
  /** Path of /vault; '' in every other profile. */
  readonly vault: string
  /** Every process here belongs to the sandbox. */
  readonly alone: boolean
  /** Maximum of private memory of each process of a command. */
  readonly dataLimitKib: number | null
  /** The egress proxy: its socket, or a port that connections to it share; null without network access. */
  readonly relay: { readonly kind: 'socket' | 'device'; readonly name: string } | null
  /** The port for streams of carried programs; '' without one. */
  readonly streams: string
  /** Path of Chromium, null in every profile but `browser`. */
  readonly browser: string | null
  /** A program and its arguments, to run instead. */
  readonly run: readonly string[] | null
  /** Uid and gid to become once the transport is open. */
  readonly user: number | null
}

/** @throws Error for an unknown flag. */
function parseArguments(args: readonly string[]): HandsArguments {
  let parsed: HandsArguments = {
    transport: { kind: 'stdio' },
    mapped: null,
    vault: '',
    alone: false,
    dataLimitKib: null,
    relay: null,
    streams: '',
    browser: null,
    run: null,
    user: null,
  }
  const rest = [...args]
  const next = (flag: string): string => {
    const value = rest.shift()
    if (value === undefined || value === '') throw new Error(`${flag} needs a value`)
    return value
  }
  const number = (flag: string): number => {
    const value = Number(next(flag))
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${flag} needs a number`)
    return value
  }
  for (let flag = rest.shift(); flag !== undefined; flag = rest.shift()) {
    switch (flag) {
      case '--listen':
      case '--connect':
      case '--device':
        parsed = { ...parsed, transport: { kind: flag.slice(2) as 'listen' | 'connect' | 'device', name: next(flag) } }
        break
      case '--mapped':
        parsed = { ...parsed, mapped: [next(flag), next(flag)] }
        break
      case '--vault':
        parsed = { ...parsed, vault: '/vault' }
        break
      case '--mapped-vault':
        parsed = { ...parsed, vault: next(flag) }
        break
      case '--alone':
        parsed = { ...parsed, alone: true }
        break
      case '--data-limit':
        parsed = { ...parsed, dataLimitKib: number(flag) }
        break
      case '--relay':
        parsed = { ...parsed, relay: { kind: 'socket', name: next(flag) } }
        break
      case '--relay-device':
        parsed = { ...parsed, relay: { kind: 'device', name: next(flag) } }
        break
      case '--streams-device':
        parsed = { ...parsed, streams: next(flag) }
        break
      case '--browser':
        parsed = { ...parsed, browser: next(flag) }
        break
      case '--run':
        parsed = { ...parsed, run: rest.splice(0) }
        break
      case '--user':
        parsed = { ...parsed, user: number(flag) }
        break
      default:
        throw new Error(`unknown flag ${flag}`)
    }
  }
  return parsed
}
