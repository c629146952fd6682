/** Servers of tools that speak MCP: which there are, what of them is approved, and why some of it is not offered. */
import { Download, Plug, Plus, Search } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { PageProps } from '../../app/router.tsx'
import { useCall } from '../../data/calls.ts'
import { SayingPage } from '../../shelf/said.tsx'
import { type Entry, Shelf } from '../../shelf/shelf.tsx'
import { Button } from '../../ui/button.tsx'
import { Empty } from '../../ui/states.tsx'
import { FoundServers } from './found-servers.tsx'
import { InstallServer, noPackage, type NpmFields } from './install-server.tsx'
import { noServer, ServerForm, type ServerFields } from './server-form.tsx'
import { type Server, ServerThing, stateOf } from './server-thing.tsx'

/** The dialog that is open. */
type Open =
  | { readonly what: 'form'; readonly start: ServerFields }
  | { readonly what: 'npm'; readonly start: NpmFields }
  | { readonly what: 'found' }

/** Whether one runs changes without an event. */
const listEveryMs = 10_000

export default function ServersPage({ place }: PageProps): ReactNode {
  const servers = useCall('server.list', {}, { everyMs: listEveryMs })
  const [open, setOpen] = useState<Open | null>(null)
  const close = (): void => setOpen(null)
  return (
    <SayingPage
      title="MCP servers"
      intro="Programs of others that offer tools. Each runs in a sandbox of its own, and nothing of it is offered before you approve it."
      actions={
        <>
          <Button icon={<Search />} onClick={() => setOpen({ what: 'found' })}>
            Of other programs
          </Button>
          <Button icon={<Download />} onClick={() => setOpen({ what: 'npm', start: noPackage })}>
            Install from npm
          </Button>
          <Button variant="primary" icon={<Plus />} onClick={() => setOpen({ what: 'form', start: noServer })}>
            Add a server
          </Button>
        </>
      }
    >
      <Shelf
        place={place}
        page="/servers"
        label="Servers"
        noun="server"
        call={servers}
        entries={servers.data?.servers.map(entryOf)}
        empty={
          <Empty title="There is no server of tools." icon={<Plug />}>
            Add one that is installed on this machine, or one that is reached over HTTP; install one from npm after seeing all its packages;
            or take one over from another program.
          </Empty>
        }
      >
        {(id) => <ServerThing shown={servers.data!.servers.find(({ server }) => server === id)!} refresh={servers.refresh} />}
      </Shelf>
      {open?.what === 'form' && <ServerForm start={open.start} onClose={close} onSaved={servers.refresh} />}
      {open?.what === 'npm' && <InstallServer start={open.start} onClose={close} onSaved={servers.refresh} />}
      {open?.what === 'found' && (
        <FoundServers
          onClose={close}
          onAdd={(start) => setOpen({ what: 'form', start })}
          onInstall={(start) => setOpen({ what: 'npm', start })}
        />
      )}
    </SayingPage>
  )
}

function entryOf(server: Server): Entry {
  return { id: server.server, title: server.server, note: server.what, state: stateOf(server) }
}
