/** A gateway on loopback in front of a kernel in memory. */
import { systemRandom } from '../types/index.ts'
import { createFakeKernel, type FakeKernel } from './fake-kernel.ts'
import { type FakeTerminal, openTerminal } from './terminal-fixture.ts'
import { type Gateway, type GatewayOptions, startGateway } from './gateway.ts'
import { createToken } from './token.ts'

export interface House extends AsyncDisposable {
  readonly kernel: FakeKernel
  readonly gateway: Gateway
  readonly token: string
  readonly http: string
  readonly bugs: unknown[]
  open(): Promise<FakeTerminal>
}

export async function startHouse(options: Partial<Omit<GatewayOptions, 'kernel'>> & { readonly kernel?: FakeKernel } = {}): Promise<House> {
  const kernel = options.kernel ?? createFakeKernel()
  const token = createToken(systemRandom)
  const bugs: unknown[] = []
  const gateway = await startGateway({ host: '127.0.0.1', port: 0, token, onBug: (error) => bugs.push(error), ...options, kernel })
  const http = gateway.url.replace('ws:', 'http:').replace('/ws', '')
  return { kernel, gateway, token, http, bugs, open: () => openTerminal(gateway.url, token), [Symbol.asyncDispose]: gateway.close }
}
