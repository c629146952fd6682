/** Whether the setup is offered: no model is set up, and nobody has skipped it in this browser. */
import { useEffect } from 'react'
import { ownAddress } from '../data/base-path.ts'
import { useGuest } from '../data/guest.tsx'
import { navigate } from './router.tsx'

const skippedKey = 'oxbow.setup-skipped'

/** Opens the setup when the start page is opened and no model is set up. */
export function useFirstRun(): void {
  const { status } = useGuest()
  const isOffline = status.model.startsWith('offline/')
  useEffect(() => {
    if (isOffline && ownAddress() === '/' && localStorage.getItem(skippedKey) === null) navigate('/setup', { replace: true })
  }, [isOffline])
}

/** From now on the start page is the start page. */
export function dismissSetup(): void {
  localStorage.setItem(skippedKey, '1')
}
