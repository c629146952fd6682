/**
 * Hands: the one program that touches files and runs commands, started inside the sandbox. It speaks frames
 * (types/hands-frame.ts) and ends when its input ends, so that it never outlives the kernel.
 *
 *     node main.ts                            over standard input and output, in a sandbox where /shared and /tmp are what they
 *                                             are called
 *       --listen PATH | --connect PATH        over a unix socket that it makes, or that is there
 *       --device NAME                         over the virtio-serial port of this name, or a device by its path
 *       --user UID                            becomes this user (and group, and no other) when that is open
 *       --alone                               every process here belongs to the sandbox: what a command leaves is ended with it.
 *                                             Under bubblewrap this goes without saying
 *       --data-limit KIB                      each process of a command gets at most this much memory of its own
 *       --relay SOCKET                        the egress proxy listens there; programs find it at 127.0.0.1:8118
 *       --relay-device NAME                   the same, by a port (as for --device) that its connections share
 *       --vault                               only /vault is here, to be read; no commands
 *       --browser PROGRAM                     Chromium is there, and what drives it; no commands
 *       --mapped SHARED TMP                   two folders of the host stand for them, and no commands: without a sandbox, or in one
 *                                             that cannot show folders elsewhere than they are
 *       --mapped-vault FOLDER                 the same for --vault
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { browserAt } from './browser/chromium-launch.ts'
import { createLiveCommands } from './commands/live-commands.ts'
import { createCommandRunner } from './commands/run-command.ts'
import { parseArguments } from './hands-arguments.ts'
import type { HandsArguments } from './hands-arguments.ts'
import { closeInherited } from './inherited-descriptors.ts'
import { bySharedPort, bySocket, proxyEnvironment, startRelay } from './relay.ts'
import { serve } from './serve.ts'
import type { HandsOptions } from './serve.ts'
import { openDevice, openTransport } from './transport.ts'

function options({ mapped, vault, alone, dataLimitKib, relay, browser }: HandsArguments): HandsOptions {
  if (mapped !== null) {
    return {
      roots: [
        { virtual: '/shared', real: realpathSync(mapped[0]) },
        { virtual: '/tmp', real: realpathSync(mapped[1]) },
      ],
    }
  }
  if (vault !== '') return { roots: [{ virtual: '/vault', real: realpathSync(vault) }] }
  const roots = ['/shared', '/tmp'].filter((root) => existsSync(root)).map((root) => ({ virtual: root, real: root }))
  if (browser !== null) return { roots, browser: browserAt(browser) }
  const live = createLiveCommands(alone || isUnderBubblewrap(), relay === null ? undefined : proxyEnvironment)
  const place = { roots, live, dataLimitKib }
  return { roots, commands: createCommandRunner(place), sessions: place }
}

/** Only where all processes are the sandbox's may a stranger be ended. */
function isUnderBubblewrap(): boolean {
  return readFileSync('/proc/1/comm', 'utf8').trim() === 'bwrap'
}

/** For good: with the user go all other groups, and with root all capabilities. */
function become(user: number | null): void {
  if (user === null) return
  process.setgroups!([])
  process.setgid!(user)
  process.setuid!(user)
}

async function run(): Promise<void> {
  const told = parseArguments(process.argv.slice(2))
  // By /proc, which not every system has where folders are mapped.
  if (told.mapped === null && existsSync('/proc/self/fd')) closeInherited()
  // Before they become somebody else: only root may open it.
  const shared = told.relay?.kind === 'device' ? await openDevice(told.relay.name) : null
  const { input, output } = await openTransport(told.transport, () => become(told.user))
  // The kernel's end is gone: so is the reason to live.
  output.on('error', () => process.exit(0))
  if (told.relay !== null) await startRelay(shared === null ? bySocket(told.relay.name) : bySharedPort(shared))
  await serve(input, output, options(told))
}

// No await out here: hands are started as CommonJS, which Node loads 5 ms sooner and whose compiled code can be kept.
run().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`hands: ${error instanceof Error ? error.message : 'unknown failure'}\n`)
    process.exit(1)
  },
)
