#!/bin/sh
# Redis as Hakam wants it: a store, not a cache, for one user who may do what Hakam does and no more.
# REDISCLI_AUTH is that user's password, where redis-cli reads it; it stands on no command line.
# HAKAM_REDIS_MEGABYTES is what the container may take. The data get less than half of it: while
# Redis writes its file anew, a second process may come to hold as much as the first.
set -eu
umask 077
case ${REDISCLI_AUTH:?} in
    *[!A-Za-z0-9._~-]*)
        echo 'HAKAM_REDIS_PASSWORD: letters and digits only, because it is part of an address' >&2
        exit 1
        ;;
esac
if [ ! -w /data ]; then
    echo "The volume queue cannot be written: it must be user $(id -u)'s, of group $(id -g)" >&2
    exit 1
fi
digest=$(printf %s "${REDISCLI_AUTH:?}" | sha256sum)

keys='+del +exists +expire +scan +ttl +type +unlink'
strings='+get +incrby +mget +set'
hashes='+hdel +hexists +hget +hgetall +hincrby +hkeys +hlen +hmget +hscan +hset +hsetnx +hvals'
sets='+sadd +scard +smembers +srem'
sorted='+zadd +zcard +zcount +zincrby +zlexcount +zrange +zrangebylex +zrangebyscore +zrem'
sorted="$sorted +zremrangebylex +zremrangebyrank +zremrangebyscore +zrevrange +zrevrangebylex"
sorted="$sorted +zscore"
streams='+xadd +xdel +xinfo|stream +xlen +xrange +xrevrange +xtrim'
scripts='+eval +evalsha +script|exists +script|load +multi +exec +discard +watch +unwatch'
# What a backup is read by, as a replica would.
copies='+sync +psync +replconf'
server='+ping +hello +info +time +wait +role +config|get +bgrewriteaof'
client='+client -client|kill -client|list -client|no-evict -client|pause -client|unpause'

# Nobody can log in as the default user, but Redis reads its own file with that user's rights:
# without them it leaves out each transaction, and starts with what is left.
cat >/tmp/redis.conf <<END
dir /data
save ""
appendonly yes
appendfsync always
maxmemory $((HAKAM_REDIS_MEGABYTES * 45 / 100))mb
maxmemory-policy noeviction
maxclients 1000
tcp-keepalive 60
user default off ~* &* +@all
user hakam on #${digest%% *} ~hakam:* ~{hakam:* -@all $keys $strings $hashes $sets $sorted $streams $scripts $server $copies $client
END
exec redis-server /tmp/redis.conf
