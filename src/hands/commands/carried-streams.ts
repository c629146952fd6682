/**
 * The streams of programs whose output is not collected but carried to the host byte for byte, over one port: for each program the host opens
 * two, in this order, one for its input and output and one for its errors.
 */
import type { ChildProcess } from 'node:child_process'
import { type Duplex, duplexPair } from 'node:stream'
import { carryStreams } from '../../base/index.ts'
import { carriedDrainMs } from '../limits.ts'

export interface CarriedStreams {
  connect(child: ChildProcess): void
  /** Resolves when all that the program wrote is on its way, or nobody reads it. */
  sent(): Promise<void>
}

export type TakeStreams = () => Promise<CarriedStreams>

/** @param port with the kernel at its other end @returns a function that waits for the streams of the next program */
export function acceptStreams(port: Duplex): TakeStreams {
  const opened: { readonly inside: Duplex; readonly ended: Promise<void> }[] = []
  let arrived = Promise.withResolvers<void>()
  carryStreams(port, {
    maxStreams: 2,
    accept() {
      const [near, inside] = duplexPair()
      opened.push({ inside, ended: new Promise((resolve) => near.once('end', resolve).once('close', resolve)) })
      arrived.resolve()
      return near
    },
    // The kernel's side follows the protocol; without it hands exit.
    onBroken: () => port.destroy(),
  })
  return async () => {
    while (opened.length < 2) {
      arrived = Promise.withResolvers<void>()
      await arrived.promise
    }
    const [main, errors] = opened.splice(0, 2) as [(typeof opened)[0], (typeof opened)[0]]
    return {
      connect({ stdin, stdout, stderr }) {
        // A program may close its input without reading it.
        main.inside.pipe(stdin!).on('error', () => main.inside.resume())
        stdout!.pipe(main.inside)
        stderr!.pipe(errors.inside)
        errors.inside.resume()
      },
      async sent() {
        let timer: NodeJS.Timeout | undefined
        const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, carriedDrainMs)))
        await Promise.race([Promise.all([main.ended, errors.ended]), limit])
        clearTimeout(timer)
      },
    }
  }
}
