/** A node's certificate is renewed in its last third, by the machine that made the cluster: while that one is up once in a month, nobody has to. */
import { X509Certificate } from 'node:crypto'
import { type Clock, errorMessage } from '../../base/index.ts'
import { renewCheckMs } from '../limits.ts'
import type { NodeView } from '../notes.ts'
import { renewBy, renewOwn } from './enrolment.ts'
import { type NodeIdentity, readAuthority } from './node-identity.ts'

interface RenewalDeps {
  /** Of the home. */
  readonly folder: string
  readonly identity: NodeIdentity
  readonly node: () => { readonly view: { nodes(): readonly Pick<NodeView, 'name' | 'url'>[] } }
  readonly say: (text: string) => void
  /** Called with each new certificate. */
  readonly use: (identity: NodeIdentity) => void
  readonly clock: Pick<Clock, 'now'>
}

/** @returns whether two thirds of its time are over */
export function isDue(cert: string, now: number): boolean {
  const { validFromDate, validToDate } = new X509Certificate(cert)
  const [from, to] = [validFromDate.getTime(), validToDate.getTime()]
  return now > from + ((to - from) * 2) / 3
}

/** @returns what ends it */
export function keepRenewed({ folder, identity, node, say, use, clock }: RenewalDeps): () => void {
  let held = identity
  const renew = async (): Promise<void> => {
    if (!isDue(held.cert, clock.now())) return
    const urls = node()
      .view.nodes()
      .filter(({ name }) => name !== held.name)
      .map(({ url }) => url)
    const next = readAuthority(folder) === null ? await renewBy(folder, held, urls) : renewOwn(folder, held, clock.now())
    if (next === null)
      return say(
        `the certificate ends on ${new X509Certificate(held.cert).validTo}, and no node renews it: start the one that made the cluster`,
      )
    held = next
    say('the certificate was renewed')
    use(next)
  }
  const tick = (): void => void renew().catch((error: unknown) => say(`the certificate could not be renewed: ${errorMessage(error)}`))
  tick()
  const timer = setInterval(tick, renewCheckMs)
  return () => clearInterval(timer)
}
