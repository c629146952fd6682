/** What is shown to who is not signed in, or while the guest does not answer. */
import { type ReactNode, useEffect, useState } from 'react'
import type { Access } from '../data/guest.tsx'
import { Loading } from '../ui/states.tsx'

/** Whether people sign in by OpenID Connect here. */
function useHasProvider(): boolean {
  const [has, setHas] = useState(false)
  useEffect(() => {
    const leaving = new AbortController()
    fetch('sign-in/info', { signal: leaving.signal }).then(
      (response) => setHas(response.ok && response.headers.get('content-type') === 'application/json'),
      () => {},
    )
    return () => leaving.abort()
  }, [])
  return has
}

export function SignIn({ access }: { readonly access: Exclude<Access, { type: 'ready' }> }): ReactNode {
  const hasProvider = useHasProvider()
  if (access.type === 'connecting') return <Loading label="Connecting" />
  return (
    <main className="sign-in">
      <img src="/icon.svg" alt="" width="44" height="44" />
      {access.type === 'unreachable' ? (
        <>
          <h1>Oxbow does not answer</h1>
          <p>{access.failure.message}</p>
          <p>
            Start it with <code>oxbow start</code>. This page connects by itself.
          </p>
        </>
      ) : (
        <>
          <h1>Sign in to Oxbow</h1>
          {access.failure !== null && <p role="alert">{access.failure.message}</p>}
          {hasProvider && (
            <p>
              <a href="sign-in">Sign in with your account</a>
            </p>
          )}
          <p>{hasProvider ? 'Or run' : 'Run'} this in a terminal on the machine where Oxbow runs, and open the link that it prints:</p>
          <pre>oxbow web</pre>
          <p className="soft">The link works once, for ten minutes. This browser then stays signed in for 30 days.</p>
        </>
      )}
    </main>
  )
}
