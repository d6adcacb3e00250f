// dynalite in memory, on a free port of 127.0.0.1 alone; prints the port.
import dynalite from 'dynalite'

const server = dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 })
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`))
