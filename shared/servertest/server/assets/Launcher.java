// SPDX-License-Identifier: Apache-2.0

import java.util.Arrays;
import org.apache.rocketmq.namesrv.NamesrvStartup;
import org.apache.rocketmq.proxy.ProxyStartup;

/** A name server, a broker and the gRPC proxy in one virtual machine: Launcher NAMESRV_CONF PROXY_ARGUMENT... */
public final class Launcher {
    public static void main(String[] args) throws Exception {
        NamesrvStartup.main(new String[] {"-c", args[0]});
        ProxyStartup.main(Arrays.copyOfRange(args, 1, args.length));
    }
}
