import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { ApiProblem, isStatus } from './api/problem.ts'
import { Toaster } from './design/toast.tsx'
import { TooltipHost } from './design/tooltip.tsx'
import { router } from './routes.tsx'

/** A session that has ended is noticed by whatever is asked next: then the page asks who is there. */
function noticeSignedOut(error: unknown): void {
  if (isStatus(error, 401)) void client.invalidateQueries({ queryKey: ['getMe'] })
}

const client = new QueryClient({
  queryCache: new QueryCache({
    onError: (error, query) => {
      if (query.queryKey[0] !== 'getMe') noticeSignedOut(error)
    },
  }),
  mutationCache: new MutationCache({ onError: noticeSignedOut }),
  defaultOptions: {
    queries: {
      // Whether the service can be reached is not what the browser thinks of the internet: it may be on this machine.
      networkMode: 'always',
      staleTime: 2000,
      // What the service refuses it refuses again; what did not reach it may the next time.
      retry: (count, error) => !(error instanceof ApiProblem && error.status < 500) && count < 2,
      retryDelay: count => Math.min(4000, 500 * 2 ** count),
    },
    mutations: { networkMode: 'always' },
  },
})

export function App() {
  return (
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
      <Toaster />
      <TooltipHost />
    </QueryClientProvider>
  )
}
