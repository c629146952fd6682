/** `src/guest/main.ts serve` for test entries that compose the guest with something odd. */
import { createInterface } from 'node:readline'
import { type GuestOptions, startGuest } from '../../src/guest/guest.ts'
import type { GuestEnvelope, GuestReport } from '../../src/config/index.ts'

export async function serve(options: GuestOptions): Promise<void> {
  const input = createInterface({ input: process.stdin })
  const ended = new Promise((resolve) => input.once('close', resolve))
  const line = await new Promise<string>((resolve) => input.once('line', resolve))
  const guest = await startGuest(JSON.parse(line) as GuestEnvelope, options)
  const ready: GuestReport = { type: 'ready', url: guest.url, pid: process.pid }
  process.stdout.write(`${JSON.stringify(ready)}\n`)
  await ended
  await guest.close()
}
