/** Users of this home and their guests, and control of the one that is open: restart and stop. */
import { Power, RefreshCw } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { type Deed, restartGuest, stopGuest } from '../../../../src/terminal/index.ts'
import { Link, type PageProps } from '../../app/router.tsx'
import { useCall } from '../../data/calls.ts'
import { useGuest } from '../../data/guest.tsx'
import { useApplyConfig } from '../../data/settings.ts'
import { DeedButton } from '../../shelf/deed-button.tsx'
import { SayingPage, useSay } from '../../shelf/said.tsx'
import { type Entry, Shelf } from '../../shelf/shelf.tsx'
import { Thing } from '../../shelf/thing.tsx'
import { Button } from '../../ui/button.tsx'
import { Confirm } from '../../ui/dialog.tsx'
import { Facts } from '../../ui/layout.tsx'
import { Empty, NoticeBar } from '../../ui/states.tsx'

type User = OutputOf<'machine.users'>['users'][number]

const listEveryMs = 5_000

export default function ControlPage({ place }: PageProps): ReactNode {
  const users = useCall('machine.users', {}, { everyMs: listEveryMs })
  return (
    <SayingPage
      title="Users and control"
      intro="Each user of this home has a guest: its own files, keys, journal and agents. This page controls the one that it belongs to."
    >
      <Shelf
        place={place}
        page="/control"
        label="Users"
        noun="user"
        call={users}
        entries={users.data?.users.map((user) => ({
          id: user.user,
          title: user.user,
          note: user.is_you ? 'you' : '',
          state: stateOf(user),
        }))}
        empty={<Empty title="This home has no users.">The first is made when Oxbow starts.</Empty>}
      >
        {(id) => <UserThing shown={users.data!.users.find(({ user }) => user === id)!} refresh={users.refresh} />}
      </Shelf>
    </SayingPage>
  )
}

function stateOf({ state }: User): Entry['state'] {
  return state === 'running' ? ['running', 'good'] : ['stopped', 'neutral']
}

const holders: Readonly<Record<User['by'], string>> = {
  service: 'It runs in the background, until it is stopped.',
  terminal: 'It belongs to a terminal, and ends with it.',
  nobody: 'Nothing runs it.',
}

function UserThing({ shown, refresh }: { readonly shown: User; readonly refresh: () => void }): ReactNode {
  const { user, state, by, pid, address, is_you: isYou } = shown
  return (
    <Thing title={user} state={stateOf(shown)} why={holders[by]} actions={isYou && <OwnActions by={by} refresh={refresh} />}>
      {isYou && <Configuration />}
      <Facts
        facts={[
          ['Process', pid === null ? '–' : <span data-volatile>{pid}</span>],
          [
            'Address',
            address === '' ? (
              '–'
            ) : (
              <code key="address" data-volatile>
                {address}
              </code>
            ),
          ],
        ]}
      />
      {!isYou && (
        <p>
          The guest of another user is not yours to control here. In a terminal:{' '}
          <code>{state === 'running' ? `oxbow stop --user ${user}` : `oxbow start --user ${user}`}</code>
        </p>
      )}
    </Thing>
  )
}

/** What a restart would change, and what was loosened within a day. */
function Configuration(): ReactNode {
  const config = useCall('config.show', {})
  const changes = useCall('config.changes', {})
  const pending = config.data?.pending ?? []
  return (
    <>
      {config.data !== undefined && config.data.restart_problem !== '' && (
        <NoticeBar tone="bad">It runs with its previous configuration: {config.data.restart_problem}</NoticeBar>
      )}
      {pending.length > 0 && (
        <NoticeBar tone="info">
          A restart takes up what was changed: {pending.join(', ')}. <Link to="/settings">Settings</Link>
        </NoticeBar>
      )}
      {(changes.data?.loosened ?? []).map(({ key, before, after }) => (
        <NoticeBar key={key} tone="warn">
          Loosened within a day: {key}, from {JSON.stringify(before)} to {JSON.stringify(after)}.
        </NoticeBar>
      ))}
    </>
  )
}

function OwnActions({ by, refresh }: { readonly by: User['by']; readonly refresh: () => void }): ReactNode {
  const { status } = useGuest()
  return (
    <>
      <RestartButton deed={restartGuest} refresh={refresh} />
      {by === 'service' && (
        <DeedButton deed={stopGuest} verb="Stop" icon={<Power />} act={(run) => run('guest.stop', {})} onDone={() => {}} />
      )}
      <span className="soft small">Oxbow {status.version}</span>
    </>
  )
}

/** Not lost and not dangerous: but turns pause for a moment, so it asks. */
function RestartButton({ deed, refresh }: { readonly deed: Deed; readonly refresh: () => void }): ReactNode {
  const [isOpen, setOpen] = useState(false)
  const { restart, isBusy, failure, clear } = useApplyConfig()
  const say = useSay()
  const confirm = async (): Promise<void> => {
    if (!(await restart())) return
    setOpen(false)
    say(deed.done)
    refresh()
  }
  return (
    <>
      <Button size="s" icon={<RefreshCw />} onClick={() => setOpen(true)}>
        Restart
      </Button>
      <Confirm
        title="Restart Oxbow?"
        verb="Restart"
        isOpen={isOpen}
        onClose={() => {
          clear()
          setOpen(false)
        }}
        onConfirm={() => void confirm()}
        isBusy={isBusy}
        failure={failure}
      >
        <p>{deed.means}</p>
      </Confirm>
    </>
  )
}
