/**
 * Hands: the one program that touches files and runs commands, started inside the sandbox. It speaks frames over standard
 * input and output (types/hands-frame.ts) and ends when its input ends, so that it never outlives the kernel.
 *
 *     node main.ts [--data-limit KIB]         in a sandbox, where /shared and /tmp are what they are called; each process of a
 *                                             command gets at most this much memory of its own
 *     node main.ts --vault                    in a sandbox where only /vault is, to be read
 *     node main.ts --mapped SHARED TMP        without one: two folders of the host stand for them, and no commands
 */
import { readFileSync, realpathSync } from 'node:fs'
import { closeInherited } from './inherited-descriptors.ts'
import { createCommandRunner } from './commands/run-command.ts'
import { serve } from './serve.ts'
import type { HandsOptions } from './serve.ts'

function options(args: readonly string[]): HandsOptions {
  const [flag, first, tmp] = args
  if (flag === '--mapped' && first !== undefined && tmp !== undefined) {
    return {
      roots: [
        { virtual: '/shared', real: realpathSync(first) },
        { virtual: '/tmp', real: realpathSync(tmp) },
      ],
    }
  }
  closeInherited()
  if (flag === '--vault') return { roots: [{ virtual: '/vault', real: '/vault' }] }
  const roots = ['/shared', '/tmp'].map((root) => ({ virtual: root, real: root }))
  return {
    roots,
    commands: createCommandRunner({ roots, ownsPids: isAloneInSandbox(), dataLimitKib: flag === '--data-limit' ? Number(first) : null }),
  }
}

/** Only where bubblewrap is init does every process belong to the sandbox; anywhere else strangers would be ended. */
function isAloneInSandbox(): boolean {
  return readFileSync('/proc/1/comm', 'utf8').trim() === 'bwrap'
}

// The kernel's end of the pipe is gone: so is the reason to live.
process.stdout.on('error', () => process.exit(0))
await serve(process.stdin, process.stdout, options(process.argv.slice(2)))
process.exit(0)
