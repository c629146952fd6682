/**
 * Signing in to a server by OAuth. The person signs in on its own page, which sends the browser back to this one. It may go back to the loopback
 * address only, so a page that is open at another one names the verb that does the same.
 */
import { type ReactNode, useEffect, useRef } from 'react'
import { basePath } from '../../data/base-path.ts'
import { navigate, type PageProps } from '../../app/router.tsx'
import { type Action, useAction } from '../../data/calls.ts'
import { Page } from '../../ui/layout.tsx'
import { Loading, Problem } from '../../ui/states.tsx'

const keptServer = 'oxbow.login'

/** @returns what to type in a terminal; null: this page can do it */
export function loginCommand(server: string): string | null {
  return location.protocol === 'http:' && location.hostname === '127.0.0.1' ? null : `oxbow servers login ${server}`
}

/** Leaves the page for the one on which the person signs in. @returns what to say where nobody has to; undefined: it has failed */
export async function beginLogin(server: string, run: Action['run']): Promise<string | undefined> {
  const begun = await run('server.login', { server, redirect_url: `${location.origin}${basePath}/callback` })
  if (begun === undefined) return undefined
  if (begun.url === '') return `${server} lets everybody in.`
  // The address is the server's to choose: it may open nothing but a page of the web.
  if (!/^https?:$/.test(new URL(begun.url).protocol)) return `${server} names an address that is no page of the web.`
  sessionStorage.setItem(keptServer, server)
  location.assign(begun.url)
  return `Sign in to ${server} on the page that opens.`
}

/** Where the browser comes back to. */
export default function LoginPage({ place }: PageProps): ReactNode {
  const { run, failure } = useAction()
  const isBegun = useRef(false)
  const answer = place.search.toString()
  useEffect(() => {
    if (isBegun.current) return
    isBegun.current = true
    const server = sessionStorage.getItem(keptServer)
    sessionStorage.removeItem(keptServer)
    if (server === null || answer === '') return navigate('/servers', { replace: true })
    // The code in the address is worth a token.
    history.replaceState(null, '', `${basePath}/callback`)
    void run('server.login_end', { server, answer }).then(
      (ended) => ended !== undefined && navigate(`/servers?open=${encodeURIComponent(server)}`, { replace: true }),
    )
  }, [answer, run])
  return (
    <Page title="Signing in">
      {failure === null ? <Loading label="Signing in" /> : <Problem failure={failure} onRetry={() => navigate('/servers')} />}
    </Page>
  )
}
